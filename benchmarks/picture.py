"""The picture of the README: vital signs of stays in intensive care, half of whose values were hidden.

``python -m benchmarks.picture [--steps 300]`` writes docs/interpolation.png: an interpolator trained on 3000 stays of
PhysioNet 2012, asked about others.
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
    """Train, ask, draw."""
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
    # the first three stays that have at least 30 values of every variable drawn
    counts = [[np.count_nonzero(stay.positions[:, 1] == c) for c in channels] for stay in others]
    chosen = others[np.flatnonzero(np.min(counts, axis=1) >= 30)[:3]]
    is_hidden = rm.TokenBatch.collate(chosen.with_targets(None)).hide(0.5, seed=0).is_hidden
    assert is_hidden is not None
    seen, kept = chosen.select_tokens(~is_hidden.numpy()), chosen.select_tokens(is_hidden.numpy())
    grid = np.linspace(0, 2880, 289)
    at = [np.concatenate([np.column_stack([grid, np.full(len(grid), c)]) for c in channels])] * len(chosen)
    low, mid, high = interpolator.predict(seen, at=at, quantiles=[0.05, 0.5, 0.95])
    examples = []
    for i, stay in enumerate(chosen.ids):
        lines = []
        for j, (name, c) in enumerate(zip(VARIABLES, channels, strict=True)):
            part = slice(j * len(grid), (j + 1) * len(grid))
            known, hidden = (_points(these, i, c) for these in (seen, kept))
            linear = np.interp(grid / 60, *known.T)
            answer, *ends = (answers[i][part, 0] for answers in (mid, low, high))
            lines.append(ChannelSeries(name, known, hidden, grid / 60, answer, *ends, linear))
        examples.append(Example(f"stay {stay}", lines))
    picture = png_bytes(interpolation_figure(examples, "value", "hours in intensive care", is_inverted=False))
    (ROOT / "docs" / "interpolation.png").write_bytes(picture)


def _points(tokens: rm.TokenSet, i: int, channel: int) -> np.ndarray:
    """(n, 2) hours and values of one channel of a stay."""
    one = tokens[[i]]
    mine = one.positions[:, 1] == channel
    return np.column_stack([one.positions[mine, 0] / 60, one.values[mine, 0]])


if __name__ == "__main__":
    main()
