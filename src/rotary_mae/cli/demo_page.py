"""The demo's page and picture."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rotary_mae import __version__
from rotary_mae.batches.batch import TokenBatch
from rotary_mae.cli.demo_story import Material, Story, Truth
from rotary_mae.data.tokens import TokenSet
from rotary_mae.estimators.interpolator import RoMAEInterpolator
from rotary_mae.report.figures import (
    Example,
    Line,
    curve_figure,
    data_address,
    interpolation_figure,
    png_bytes,
    score_figure,
)
from rotary_mae.report.page import Number, Section, write_page

N_EXAMPLES, N_GRID = 4, 200


def write_story(
    out: Path, material: Material, story: Story, interpolator: RoMAEInterpolator, test: npt.NDArray[np.int64]
) -> Path:
    """Write demo.html and interpolation.png; returns the page's path."""
    examples = _examples(material, interpolator, test)
    picture = interpolation_figure(examples, material.value_name, "days since the first", material.is_inverted)
    partial = out / "interpolation.png.partial"
    partial.write_bytes(png_bytes(picture))
    os.replace(partial, out / "interpolation.png")
    scores, found = story.scores, story.interpolation
    labels = np.asarray(material.tokens.targets)
    best, forest = np.mean(scores["RoMAE, pre-trained"]), np.mean(scores["random forest"])
    scratch = np.mean(scores["RoMAE, from scratch"])
    numbers = [
        Number(f"{best:.3f}", "balanced accuracy, pre-trained"),
        Number(f"{scratch:.3f}", "same network, from scratch"),
        Number(f"{forest:.3f}", "random forest on simple features"),
        Number(f"{found['mse'] / found['mse_linear']:.2f}", "of the squared error of linear interpolation"),
    ]
    seeds = f"mean over {len(material.seeds)} splits" if len(material.seeds) > 1 else "one split"
    sections = [
        Section(
            "Which class is it?",
            [
                f"A masked autoencoder was pre-trained on {story.counts['pre-training']} objects without their labels, "
                f"then fine-tuned on {story.counts['labelled']} labelled ones and tried on {story.counts['test']} "
                f"others ({seeds}). The same network without pre-training, and a random forest of 500 trees on "
                "scatter, range, skewness and median of each band, learned from the same labels."
            ],
            picture=data_address(score_figure(scores, "balanced accuracy", 1.0 / len(np.unique(labels)))),
            caption="Balanced accuracy on objects never seen; dots are seeds, the dashed line is guessing.",
        ),
        Section(
            "What lies between the observations?",
            ["Half of the observations of objects never seen were hidden, and asked for."],
            table=[
                ["", "mean squared error (scaled units)"],
                ["RoMAE", f"{found['mse']:.3f}"],
                ["linear interpolation in the band", f"{found['mse_linear']:.3f}"],
                ["mean of the band", f"{found['mse_mean']:.3f}"],
            ],
            picture=data_address(picture),
            caption=f"{found['coverage_90']:.0%} of the hidden observations lie inside their 90 % band.",
        ),
        Section(
            "How it learned",
            picture=data_address(curve_figure(story.curves)),
            caption="Loss while training; of pre-training, the negative log likelihood of hidden values.",
        ),
    ]
    tokens = material.tokens
    lead = f"{len(tokens)} objects, {tokens.n_tokens} observations in {', '.join(tokens.channels)}."
    page = out / "demo.html"
    footer = f"rotary-mae {__version__}, {story.seconds:.0f} s in all."
    write_page(page, f"{material.name}: what RoMAE makes of them", lead, numbers, sections, footer)
    return page


def _examples(material: Material, interpolator: RoMAEInterpolator, test: npt.NDArray[np.int64]) -> list[Example]:
    """Objects of different classes, half of whose observations are hidden from the model."""
    labels = np.asarray(material.tokens.targets)[test]
    # of half the observations of a short one, little is left to draw
    is_long = material.tokens.lengths[test] >= np.median(material.tokens.lengths[test])
    first = [test[np.flatnonzero((labels == name) & is_long)] for name in np.unique(labels)]
    chosen = np.array([group[i] for i in range(N_EXAMPLES) for group in first if i < len(group)][:N_EXAMPLES])
    tokens = material.tokens[chosen]
    is_hidden = TokenBatch.collate(tokens.with_targets(None)).hide(0.5, seed=0).is_hidden
    if is_hidden is None:
        raise ValueError("nothing could be hidden")
    seen = tokens.select_tokens(~is_hidden.numpy())
    ends = np.cumsum(tokens.lengths)
    spans = [
        (tokens.positions[a:b, 0].min(), tokens.positions[a:b, 0].max())
        for a, b in zip(tokens.starts, ends, strict=True)
    ]
    channels = range(min(3, len(tokens.channels)))
    grids = [np.linspace(*span, N_GRID) for span in spans]
    at = [np.concatenate([np.column_stack([grid, np.full(N_GRID, c)]) for c in channels]) for grid in grids]
    means, stds = interpolator.predict(seen, at=at, return_std=True)
    examples = []
    for i, sample in enumerate(chosen):
        lines = [_line(tokens, seen, i, c, grids[i], means[i], stds[i], material.truth, int(sample)) for c in channels]
        examples.append(Example(f"{tokens.ids[i]} ({labels[test == sample][0]})", lines))
    return examples


def _line(
    tokens: TokenSet,
    seen: TokenSet,
    i: int,
    channel: int,
    grid: npt.NDArray[np.float64],
    mean: npt.NDArray[np.float64],
    std: npt.NDArray[np.float64],
    truth: Truth | None,
    sample: int,
) -> Line:
    part = slice(channel * N_GRID, (channel + 1) * N_GRID)
    start = grid[0]
    known, everything = _points(seen, i, channel), _points(tokens, i, channel)
    hidden = everything[~np.isin(everything[:, 0], known[:, 0])]
    linear = np.interp(grid, *known.T) if len(known) else np.full(N_GRID, np.nan)
    exact = None if truth is None else truth(sample, np.column_stack([grid, np.full(N_GRID, channel)]))[:, 0]
    shift = np.array([start, 0.0])
    return Line(
        tokens.channels[channel],
        known - shift,
        hidden - shift,
        grid - start,
        mean[part, 0],
        std[part, 0],
        linear,
        exact,
    )


def _points(tokens: TokenSet, i: int, channel: int) -> npt.NDArray[np.float64]:
    """(n, 2) times and values of one channel of sample ``i``."""
    one = tokens[[i]]
    mine = one.positions[:, 1] == channel
    return np.column_stack([one.positions[mine, 0], one.values[mine, 0]])
