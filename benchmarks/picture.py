"""Figure of the README: interpolated vital signs of ICU stays with half of the values masked.

``python -m benchmarks.picture [--steps 300]`` writes docs/interpolation.png. The interpolator is trained on 3000 stays
of PhysioNet 2012; the figure shows other stays.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import rotary_mae as rm
from rotary_mae.datasets.physionet2012 import load_physionet2012
from rotary_mae.report.figures import ChannelSeries, Example, interpolation_figure, png_bytes

ROOT = Path(__file__).parent.parent
VARIABLES = ("HR", "SysABP", "Temp")


def main() -> None:
    """Train, predict and plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    steps = parser.parse_args().steps
    tokens = load_physionet2012(("a",), statics=())
    channels = [tokens.channels.index(name) for name in VARIABLES]
    training, others = tokens[:3000], tokens[3000:]
    interpolator = rm.RoMAEInterpolator(
        size="tiny-shallow",
        context=4,
        batch_size=16,
        epochs=100,
        random_state=0,
        verbose=1,
        training={"max_steps": steps},
    ).fit(training)
    # the first three stays with at least 30 values of every plotted variable
    counts = [[np.count_nonzero(stay.positions[:, 1] == c) for c in channels] for stay in others]
    chosen = others[np.flatnonzero(np.min(counts, axis=1) >= 30)[:3]]
    is_hidden = rm.TokenBatch.collate(chosen.with_targets(None)).hide(0.5, seed=0).is_hidden
    assert is_hidden is not None
    visible, masked = chosen.select_tokens(~is_hidden.numpy()), chosen.select_tokens(is_hidden.numpy())
    grid = np.linspace(0, 2880, 289)
    at = [np.concatenate([np.column_stack([grid, np.full(len(grid), c)]) for c in channels])] * len(chosen)
    low, mid, high = interpolator.predict(visible, at=at, quantiles=[0.05, 0.5, 0.95])
    examples = []
    for i, stay in enumerate(chosen.ids):
        series = []
        for j, (name, c) in enumerate(zip(VARIABLES, channels, strict=True)):
            rows = slice(j * len(grid), (j + 1) * len(grid))
            visible_points, masked_points = (_points(tokens_, i, c) for tokens_ in (visible, masked))
            linear = np.interp(grid / 60, *visible_points.T)
            middle, lower, upper = (quantiles[i][rows, 0] for quantiles in (mid, low, high))
            series.append(ChannelSeries(name, visible_points, masked_points, grid / 60, middle, lower, upper, linear))
        examples.append(Example(f"stay {stay}", series))
    picture = png_bytes(interpolation_figure(examples, "value", "hours in intensive care", is_inverted=False))
    (ROOT / "docs" / "interpolation.png").write_bytes(picture)


def _points(tokens: rm.TokenSet, i: int, channel: int) -> np.ndarray:
    """Return (n, 2) hours and values of one channel of a stay."""
    stay = tokens[[i]]
    is_in_channel = stay.positions[:, 1] == channel
    return np.column_stack([stay.positions[is_in_channel, 0] / 60, stay.values[is_in_channel, 0]])


if __name__ == "__main__":
    main()
