"""Smoothed random series filled in from 3 to 10 points (Table 7)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

import rotary_mae as rm
from reproduce.predictions import predict_masked
from reproduce.experiment import Experiment, StageResult, Measure, Stage, Profile, Reference
from reproduce.run import Run
from reproduce.synthetic.data import Series, best_possible, make_series
from reproduce.synthetic.augmentation import Views, as_tokens

DATASET = "synthetic (HeTVAE), 3 to 10 of 50 points seen"
METRIC = "mean squared error"
DATA_SEED = 0
BEST = "best possible: the law that made the series"


@cache
def splits(n_train: int, n_validation: int, n_test: int) -> dict[str, Series]:
    """Training, validation and test series."""
    everything = make_series(n_train + n_validation + n_test, DATA_SEED)
    known = n_train + n_validation
    return {"training": everything[:n_train], "validation": everything[n_train:known], "test": everything[known:]}


def train(run: Run) -> tuple[rm.RoMAEForPreTraining, rm.TrainingResult]:
    """A model of ``run.settings``; the validation series choose its best weights."""
    chosen = run.settings
    run.set_seed()
    model = rm.RoMAEForPreTraining(rm.RoMAEConfig(n_values=1, n_axes=1, **chosen["model"]))
    parts = splits(*chosen["n_series"])
    views = Views(parts["training"], unit=chosen["unit"], seed=run.seed, **chosen["views"])
    validation = as_tokens(parts["validation"], chosen["unit"])
    return model, run.train("model", model, views, chosen["training"], validation=validation)


def error(answers: npt.NDArray[Any], series: Series) -> float:
    """Mean squared error of the hidden values, which have noise as well."""
    return float(np.square(answers.ravel() - series.values[series.is_hidden]).mean())


def model_error(model: rm.RoMAEForPreTraining, series: Series, unit: float) -> float:
    """Error of a model on what the set hides."""
    return error(predict_masked(model, as_tokens(series, unit), series.is_hidden.ravel()), series)


def parts(run: Run) -> Mapping[str, Stage]:
    """One model, beside simple methods."""

    def single() -> StageResult:
        model, result = train(run)
        series = splits(*run.settings["n_series"])
        about = {"n_parameters": model.n_parameters(), "seconds": result.seconds}
        found = [
            Measure(DATASET, METRIC, split, model_error(model, series[split], run.settings["unit"]), "RoMAE", **about)
            for split in ("validation", "test")
        ]
        test = series["test"]
        simple = {
            BEST: best_possible(test),
            "straight lines between what is seen": linear_interpolation(test),
            "always 0, the mean": np.zeros(test.is_hidden.sum()),
        }
        found += [Measure(DATASET, METRIC, "test", error(answers, test), name) for name, answers in simple.items()]
        return StageResult(found)

    return {"single": single}


def linear_interpolation(series: Series) -> npt.NDArray[Any]:
    """(M,) hidden values read off straight lines, level outside."""
    answers = [
        np.interp(series.times[hidden], series.times[~hidden], values[~hidden])
        for values, hidden in zip(series.values, series.is_hidden, strict=True)
    ]
    return np.concatenate(answers)


def validation_score(run: Run) -> tuple[float, int]:
    """Error on the validation series."""
    model, _ = train(run)
    return model_error(model, splits(*run.settings["n_series"])["validation"], run.settings["unit"]), (
        model.n_parameters()
    )


# 10 to 3 of 50 points stay visible
AS_ASKED = {"strategy": "uniform", "fraction": 0.94, "least_fraction": 0.8}
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
        "hiding": AS_ASKED,
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
        "hiding": AS_ASKED,
        "evaluate_every": 1,
    },
}

EXPERIMENT = Experiment(
    name="synthetic",
    title="Synthetic series, interpolation",
    source="Table 7",
    profiles={"quick": Profile(QUICK, 3, 1), "paper": Profile(PAPER, 60, 1.5)},
    parts=parts,
    trial={"n_series": [24, 8, 8]},
    references=[Reference(DATASET, METRIC, 0.233, 0.223, "HeTVAE")],
    validation_score=validation_score,
    protocol="""
2000 series drawn after HeTVAE's description, 1600 to train, 200 to choose weights by, 200 to test. Each hides all but
3 to 10 of its points, and is judged on them with their noise. How they were made is known, so that the best possible
answer is too: its row is how far anything can go. In training 3 to 10 points of each series are seen as well, others
every time. Profile `quick` also turns training series upside down and backwards, mixes two of them (cos a x + sin a
y) and counts time in steps; `paper` takes the times in [0, 1] as they are.
""",
)
