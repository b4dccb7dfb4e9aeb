"""Whether absolute positions can be told: equal values at real positions, with CLS and without (Table 1, Fig. 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

import rotary_mae as rm
from reproduce.predictions import predictions
from reproduce.experiment import Experiment, StageResult, Measure, Stage, Profile, Reference
from reproduce.run import Run

Array = npt.NDArray[Any]

METRIC, SHIFTED = "mean squared error", "largest change of an answer when all positions grow by 10"
TRAIN_SEED, TEST_SEED = 0, 1
N_BINS = 50


def equal_values(n: int, n_tokens: int, span: float, seed: int, moved: float = 0.0) -> rm.TokenSet:
    """``n`` samples of ``n_tokens`` times the value 1, at positions even in [0, span], which are the answers too.

    The answers are counted from the middle, in standard deviations of the even distribution. moved: added to the
    positions, not to the answers.
    """
    positions = np.random.default_rng(seed).uniform(0.0, span, n * n_tokens)
    return rm.TokenSet(
        np.ones(len(positions)),
        positions + moved,
        np.full(n, n_tokens),
        axes=("place",),
        token_targets=(positions - span / 2) / spread(span),
    )


def spread(span: float) -> float:
    """Standard deviation of positions even in [0, span]."""
    return span / np.sqrt(12.0)


def fitted(
    run: Run, name: str, config: rm.RoMAEConfig, training: Mapping[str, Any], n_tokens: int, span: float
) -> tuple[rm.RoMAEForPrediction, rm.TrainingResult]:
    """A model that says where each token is."""
    run.set_seed()
    model = rm.RoMAEForPrediction(config, outputs=1, per="token")
    tokens = equal_values(run.settings["n_samples"][0], n_tokens, span, TRAIN_SEED)
    return model, run.train(name, model, tokens, training)


def errors(model: rm.RoMAEForPrediction, tokens: rm.TokenSet, span: float) -> Array:
    """(T,) answer less position."""
    assert tokens.token_targets is not None
    return (predictions(model, tokens) - tokens.token_targets)[:, 0] * spread(span)


def dataset(size: str, has_cls: bool) -> str:
    """What a row of Table 1 is called."""
    return f"10 equal values, {size}, {'with' if has_cls else 'without'} CLS"


def table_1(run: Run, size: str, has_cls: bool) -> StageResult:
    """Ten values at positions even in [0, 50]."""
    n_tokens, span = 10, 50.0
    name = f"{size}-{'with' if has_cls else 'without'}-cls"
    training = run.settings["training"] | ({} if has_cls else run.settings["training_without_cls"])
    config = rm.RoMAEConfig(n_values=1, n_axes=1, cls=has_cls, **run.settings["models"][size])
    model, result = fitted(run, name, config, training, n_tokens, span)
    test = equal_values(run.settings["n_samples"][1], n_tokens, span, TEST_SEED)
    moved = equal_values(run.settings["n_samples"][1], n_tokens, span, TEST_SEED, moved=10.0)
    found = errors(model, test, span)
    change = np.abs(errors(model, moved, span) - found).max()
    about = {"n_parameters": model.n_parameters(), "seconds": result.seconds}
    what = dataset(size, has_cls)
    rows = [
        Measure(what, METRIC, "test", float(np.square(found).mean()), "RoMAE", **about),
        Measure(what, SHIFTED, "test", float(change), "RoMAE", **about),
    ]
    if not has_cls:
        assert test.token_targets is not None
        constant = np.square(test.token_targets * spread(span)).mean()
        rows.append(Measure(what, METRIC, "test", float(constant), "always the middle"))
    return StageResult(rows)


def figure_2(run: Run, span: float) -> StageResult:
    """One value at a position even in [0, span]: where in the range the error is."""
    chosen = run.settings["figure"]
    config = rm.RoMAEConfig(n_values=1, n_axes=1, **chosen["model"])
    training = chosen["training"] | chosen["training_by_span"].get(f"{span:g}", {})
    model, result = fitted(run, f"one-{span:g}", config, training, 1, span)
    test = equal_values(run.settings["n_samples"][1], 1, span, TEST_SEED)
    found = errors(model, test, span)
    place = np.floor(test.positions[:, 0] / span * N_BINS).astype(int)
    count = np.maximum(np.bincount(place, minlength=N_BINS), 1)
    by_place = np.bincount(place, weights=np.abs(found), minlength=N_BINS) / count
    row = Measure(
        f"one value in [0, {span:g}]",
        METRIC,
        "test",
        float(np.square(found).mean()),
        "RoMAE",
        model.n_parameters(),
        result.seconds,
    )
    return StageResult([row], {f"{span:g}": by_place.tolist()})


def parts(run: Run) -> Mapping[str, Stage]:
    """Every size with and without CLS, then the ranges of Fig. 2."""
    named: dict[str, Stage] = {}
    for size in run.settings["models"]:
        for has_cls in (True, False):
            named[f"{size}-{'with' if has_cls else 'without'}-cls"] = partial(table_1, run, size, has_cls)
    for span in run.settings["figure"]["spans"]:
        named[f"one-value-{span:g}"] = partial(figure_2, run, span)
    return named


def figures(results: Sequence[Mapping[str, Any]]) -> Mapping[str, Figure]:
    """Fig. 2: mean absolute error along the range, a panel a range, a line a seed."""
    spans = list(results[0]["curves"])
    figure = Figure(figsize=(4.5 * len(spans), 3), layout="constrained")
    panels = figure.subplots(1, len(spans), squeeze=False)[0]
    for panel, span in zip(panels, spans, strict=True):
        middles = (np.arange(N_BINS) + 0.5) / N_BINS * float(span)
        for result in results:
            panel.plot(middles, result["curves"][span], lw=1.2, label=f"seed {result['seed']}")
        panel.set_xlabel("position")
        panel.set_yscale("log")
        panel.set_title(f"one value in [0, {span}]", fontsize=10)
    panels[0].set_ylabel("mean absolute error")
    panels[0].legend(fontsize=8, frameon=False)
    return {"figure-2": figure}


TRAINING = {
    "epochs": 10,
    "batch_size": 64,
    "learning_rate": 5e-4,
    "betas": [0.9, 0.999],
    "weight_decay": 0.01,
    "warmup_steps": 625,
    "clip": 0.0,
}
QUICK = {
    "n_samples": [20_000, 4_000],
    "models": {"tiny": {"size": "tiny"}},
    "training": {**TRAINING, "clip": 1.0},
    "training_without_cls": {"epochs": 1, "warmup_steps": 100},
    "figure": {
        "spans": [100, 1000],
        "model": {"size": "tiny-shallow"},
        "training": {**TRAINING, "clip": 1.0, "epochs": 5},
        "training_by_span": {},
    },
}
PAPER = {
    "n_samples": [20_000, 4_000],
    "models": {"tiny": {"size": "tiny"}, "small": {"size": "small"}, "base": {"size": "base"}},
    "training": TRAINING,
    "training_without_cls": {},
    "figure": {
        "spans": [100, 1000],
        "model": {"size": "tiny", "width": 960},
        "training": {"epochs": 10, "batch_size": 64, "optimizer": "sgd", "momentum": 0.9, "clip": 0.0},
        # of a loss in the units of the positions; here it is in standard deviations of their range
        "training_by_span": {
            "100": {"learning_rate": 5e-6 * 100**2 / 12},
            "1000": {"learning_rate": 5e-7 * 1000**2 / 12},
        },
    },
}
SMALL = {"width": 24, "heads": 2, "depth": 1}

EXPERIMENT = Experiment(
    name="positions",
    title="Absolute positions from relative ones",
    source="Table 1, Fig. 2",
    profiles={
        "quick": Profile(QUICK, 20, 1.5),
        "paper": Profile(PAPER, 240, 8, "a GPU for small and base"),
    },
    parts=parts,
    trial={
        "n_samples": [16, 8],
        "models": {"tiny": {**SMALL}},
        "figure": {"spans": [100], "model": SMALL, "training": {"batch_size": 8}, "training_by_span": {}},
    },
    references=[
        Reference(dataset("tiny", True), METRIC, 0.062),
        Reference(dataset("tiny", False), METRIC, 200.33),
        Reference(dataset("small", True), METRIC, 0.0057),
        Reference(dataset("small", False), METRIC, 200.33),
        Reference(dataset("base", True), METRIC, 0.0031),
        Reference(dataset("base", False), METRIC, 200.33),
    ],
    figures=figures,
    protocol="""
Ten times the value 1 at positions even in [0, 50]; a linear head says where each token is; 20 000 samples to train,
4000 to test, both drawn anew, the last weights. Without CLS all tokens look alike and relative positions tell nothing
(equal values averaged with any weights are that value), so the best answer is the middle, with an error of 50^2 / 12
= 208.3; the paper's 200.33 is below what even positions allow. That is its Corollary 4.1, and shows in the second
metric: without CLS no answer changes when all positions move. Profile `quick` trains tiny for the published 10 epochs
with clipping (without CLS for one: there is nothing to learn), and draws Fig. 2 with tiny-shallow and AdamW instead
of width 960 and SGD.
""",
)
