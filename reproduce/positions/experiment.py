"""Recovery of absolute positions from tokens of equal value, with and without CLS (Table 1, Fig. 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

import rotary_mae as rm
from reproduce.experiment import Experiment, Measure, Profile, Reference, Stage, StageResult
from reproduce.predictions import predict
from reproduce.run import Run

Array = npt.NDArray[Any]

METRIC, SHIFTED = "mean squared error", "largest change of a prediction when all positions are shifted by 10"
TRAIN_SEED, TEST_SEED = 0, 1
N_BINS = 50


def equal_values(n: int, n_tokens: int, span: float, seed: int, shift: float = 0.0) -> rm.TokenSet:
    """Return samples of equal values whose targets are their positions.

    Parameters
    ----------
    n : int
        Number of samples.
    n_tokens : int
        Tokens of value 1 in each sample.
    span : float
        Positions are uniform on [0, span]. Targets are standardised: centred, in standard deviations of that
        distribution.
    seed : int
        Seed of the positions.
    shift : float
        Added to the positions, not to the targets.

    Returns
    -------
    TokenSet
        The samples, with token targets.
    """
    positions = np.random.default_rng(seed).uniform(0.0, span, n * n_tokens)
    return rm.TokenSet(
        np.ones(len(positions)),
        positions + shift,
        np.full(n, n_tokens),
        axes=("place",),
        token_targets=(positions - span / 2) / uniform_std(span),
    )


def uniform_std(span: float) -> float:
    """Return the standard deviation of the uniform distribution on [0, span]."""
    return span / np.sqrt(12.0)


def fit(
    run: Run, name: str, config: rm.RoMAEConfig, training: Mapping[str, Any], n_tokens: int, span: float
) -> tuple[rm.RoMAEForPrediction, rm.TrainingResult]:
    """Train a model to predict the position of each token."""
    run.set_seed()
    model = rm.RoMAEForPrediction(config, outputs=1, per="token")
    tokens = equal_values(run.settings["n_samples"][0], n_tokens, span, TRAIN_SEED)
    return model, run.train(name, model, tokens, training)


def errors(model: rm.RoMAEForPrediction, tokens: rm.TokenSet, span: float) -> Array:
    """Return (T,) predicted minus true position."""
    assert tokens.token_targets is not None
    return (predict(model, tokens) - tokens.token_targets)[:, 0] * uniform_std(span)


def dataset(size: str, has_cls: bool) -> str:
    """Return the dataset name of a row of Table 1."""
    return f"10 equal values, {size}, {'with' if has_cls else 'without'} CLS"


def table_1(run: Run, size: str, has_cls: bool) -> StageResult:
    """Ten equal values at positions uniform on [0, 50]."""
    n_tokens, span = 10, 50.0
    name = f"{size}-{'with' if has_cls else 'without'}-cls"
    training = run.settings["training"] | ({} if has_cls else run.settings["training_without_cls"])
    config = rm.RoMAEConfig(n_values=1, n_axes=1, cls=has_cls, **run.settings["models"][size])
    model, result = fit(run, name, config, training, n_tokens, span)
    test = equal_values(run.settings["n_samples"][1], n_tokens, span, TEST_SEED)
    shifted = equal_values(run.settings["n_samples"][1], n_tokens, span, TEST_SEED, shift=10.0)
    found = errors(model, test, span)
    change = np.abs(errors(model, shifted, span) - found).max()
    cost: dict[str, Any] = {"n_parameters": model.n_parameters(), "seconds": result.seconds}
    name_in_table = dataset(size, has_cls)
    rows = [
        Measure(name_in_table, METRIC, "test", float(np.square(found).mean()), "RoMAE", **cost),
        Measure(name_in_table, SHIFTED, "test", float(change), "RoMAE", **cost),
    ]
    if not has_cls:
        assert test.token_targets is not None
        constant = np.square(test.token_targets * uniform_std(span)).mean()
        rows.append(Measure(name_in_table, METRIC, "test", float(constant), "constant prediction, middle of the range"))
    return StageResult(rows)


def figure_2(run: Run, span: float) -> StageResult:
    """One value at a position uniform on [0, span]: error along the range."""
    chosen = run.settings["figure"]
    config = rm.RoMAEConfig(n_values=1, n_axes=1, **chosen["model"])
    training = chosen["training"] | chosen["training_by_span"].get(f"{span:g}", {})
    model, result = fit(run, f"one-{span:g}", config, training, 1, span)
    test = equal_values(run.settings["n_samples"][1], 1, span, TEST_SEED)
    found = errors(model, test, span)
    bins = np.floor(test.positions[:, 0] / span * N_BINS).astype(int)
    count = np.maximum(np.bincount(bins, minlength=N_BINS), 1)
    error_by_bin = np.bincount(bins, weights=np.abs(found), minlength=N_BINS) / count
    row = Measure(
        f"one value in [0, {span:g}]",
        METRIC,
        "test",
        float(np.square(found).mean()),
        "RoMAE",
        model.n_parameters(),
        result.seconds,
    )
    return StageResult([row], {f"{span:g}": error_by_bin.tolist()})


def stages(run: Run) -> Mapping[str, Stage]:
    """Return one stage for each size with and without CLS, then one for each range of Fig. 2."""
    named: dict[str, Stage] = {}
    for size in run.settings["models"]:
        for has_cls in (True, False):
            named[f"{size}-{'with' if has_cls else 'without'}-cls"] = partial(table_1, run, size, has_cls)
    for span in run.settings["figure"]["spans"]:
        named[f"one-value-{span:g}"] = partial(figure_2, run, span)
    return named


def figures(results: Sequence[Mapping[str, Any]]) -> Mapping[str, Figure]:
    """Draw Fig. 2: mean absolute error along the range, one panel for each range, one curve for each seed."""
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
        # published for a loss in units of the positions; the loss here is in standard deviations
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
    stages=stages,
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
A sample is ten tokens of value 1 at positions uniform on [0, 50], and a linear head predicts the position of each
token. There are 20 000 training and 4000 test samples, both generated anew here; the last weights are evaluated.
Without CLS all tokens are equal and relative positions carry no information, because any weighted mean of equal
values is that value. The best prediction is then the middle of the range, with an error of 50^2 / 12 = 208.3; the
paper's 200.33 is below what uniform positions allow. This is the paper's Corollary 4.1. The second metric shows it
too: without CLS no prediction changes when all positions are shifted. Profile `quick` trains size tiny for the
published 10 epochs with gradient clipping (one epoch without CLS, where there is nothing to learn). It draws Fig. 2
with tiny-shallow and AdamW instead of width 960 and SGD.
""",
)
