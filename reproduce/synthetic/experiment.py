"""Interpolation of synthetic series from 3 to 10 points (Table 7)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

import rotary_mae as rm
from reproduce.experiment import Experiment, Measure, Profile, Reference, Stage, StageResult
from reproduce.predictions import predict_masked
from reproduce.run import Run
from reproduce.series import linear_interpolation
from reproduce.synthetic.augmentation import AugmentedSeries, as_tokens
from reproduce.synthetic.data import Series, make_series, optimal_prediction

DATASET = "synthetic (HeTVAE), 3 to 10 of 50 points visible"
METRIC = "mean squared error"
DATA_SEED = 0
OPTIMAL = "optimal prediction (generating distribution known)"


@cache
def splits(n_train: int, n_validation: int, n_test: int) -> dict[str, Series]:
    """Return training, validation and test series."""
    series = make_series(n_train + n_validation + n_test, DATA_SEED)
    n_rest = n_train + n_validation
    return {"training": series[:n_train], "validation": series[n_train:n_rest], "test": series[n_rest:]}


def train(run: Run) -> tuple[rm.RoMAEForPreTraining, rm.TrainingResult]:
    """Train a model of ``run.settings``; the weights with the lowest validation error are kept."""
    chosen = run.settings
    run.set_seed()
    model = rm.RoMAEForPreTraining(rm.RoMAEConfig(n_values=1, n_axes=1, **chosen["model"]))
    series = splits(*chosen["n_series"])
    training = AugmentedSeries(series["training"], unit=chosen["unit"], seed=run.seed, **chosen["views"])
    validation = as_tokens(series["validation"], chosen["unit"])
    return model, run.train("model", model, training, chosen["training"], validation=validation)


def error(predictions: npt.NDArray[Any], series: Series) -> float:
    """Return the mean squared error of the masked values, which include noise."""
    return float(np.square(predictions.ravel() - series.values[series.is_hidden]).mean())


def model_error(model: rm.RoMAEForPreTraining, series: Series, unit: float) -> float:
    """Return the error of a model on the masked values."""
    return error(predict_masked(model, as_tokens(series, unit), series.is_hidden.ravel()), series)


def single(run: Run) -> StageResult:
    """One model beside the baselines."""
    model, result = train(run)
    series = splits(*run.settings["n_series"])
    cost: dict[str, Any] = {"n_parameters": model.n_parameters(), "seconds": result.seconds}
    found = [
        Measure(DATASET, METRIC, split, model_error(model, series[split], run.settings["unit"]), "RoMAE", **cost)
        for split in ("validation", "test")
    ]
    test = series["test"]
    baselines = {
        OPTIMAL: optimal_prediction(test),
        "linear interpolation": linear_interpolation(test.times, test.values, test.is_hidden),
        "constant prediction 0, the mean": np.zeros(test.is_hidden.sum()),
    }
    found += [Measure(DATASET, METRIC, "test", error(values, test), name) for name, values in baselines.items()]
    return StageResult(found)


def stages(run: Run) -> Mapping[str, Stage]:
    """Return the only stage."""
    return {"single": partial(single, run)}


def validation_score(run: Run) -> tuple[float, int]:
    """Return the error on the validation series."""
    model, _ = train(run)
    validation = splits(*run.settings["n_series"])["validation"]
    return model_error(model, validation, run.settings["unit"]), model.n_parameters()


# as in the test: 3 to 10 of 50 points are visible
HIDING = {"strategy": "uniform", "fraction": 0.94, "least_fraction": 0.8}
QUICK = {
    "n_series": [1600, 200, 200],
    "unit": 1 / 49,
    "model": {
        "width": 64,
        "heads": 2,
        "depth": 2,
        "hidden": 128,
        "queries": "independent",
        "decoder": {"width": 64, "heads": 2, "depth": 2, "hidden": 128},
    },
    "views": {"n_views": 10, "is_turned": True, "mixing": 0.5},
    "training": {
        "epochs": 4,
        "batch_size": 32,
        "learning_rate": 2e-3,
        "weight_decay": 0.05,
        "hiding": HIDING,
        "evaluate_every": 1,
    },
}
PAPER = {
    "n_series": [1600, 200, 200],
    "unit": 1.0,
    "model": {"size": "tiny"},
    "views": {"n_views": 1},
    "training": {
        "epochs": 50,
        "batch_size": 8,
        "learning_rate": 1e-3,
        "warmup_steps": 200,
        "hiding": HIDING,
        "evaluate_every": 1,
    },
}

EXPERIMENT = Experiment(
    name="synthetic",
    title="Synthetic series, interpolation",
    source="Table 7",
    profiles={"quick": Profile(QUICK, 3, 1), "paper": Profile(PAPER, 60, 1.5)},
    stages=stages,
    trial={"n_series": [24, 8, 8]},
    references=[Reference(DATASET, METRIC, 0.233, 0.223, "HeTVAE")],
    validation_score=validation_score,
    protocol="""
There are 2000 series generated after HeTVAE's description: 1600 to train, 200 to select weights by, 200 to test. All
but 3 to 10 points of each are masked, and the error is against the masked values with their noise. The generating
distribution is known, and so is the optimal prediction; its row is the lowest expected error of any method. In
training 3 to 10 random points of each series are visible as well. Profile `quick` also augments the training series
by changes of sign and of the direction of time and by mixtures of two series (cos a x + sin a y), and measures time
in steps; `paper` uses the times in [0, 1] without scaling.
""",
)
