"""What was measured at hidden times in intensive care, PhysioNet 2012 (Table 7)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import train_test_split

import rotary_mae as rm
from reproduce.predictions import predict_masked
from reproduce.experiment import Experiment, StageResult, Measure, Stage, Profile, Reference
from reproduce.run import Run
from rotary_mae.datasets.physionet2012 import load_physionet2012

Array = npt.NDArray[Any]

DATASET = "PhysioNet 2012, half of the times hidden"
METRIC = "mean squared error"
SPLIT_SEED, HIDING_SEED = 0, 0
MINUTES = 48 * 60.0


@cache
def stays(n: int | None) -> rm.TokenSet:
    """Stays of sets a and b with all 41 variables as channels; the first ``n``, or all."""
    tokens = load_physionet2012(as_channels=True)
    return tokens if n is None else tokens[:n]


def splits(tokens: rm.TokenSet, validation_fraction: float) -> dict[str, rm.TokenSet]:
    """A fifth to test; of the rest a share to choose weights by. The same for every seed."""
    everything = np.arange(len(tokens))
    known, test = train_test_split(everything, test_size=0.2, random_state=SPLIT_SEED)
    training, validation = train_test_split(known, test_size=validation_fraction, random_state=SPLIT_SEED)
    return {"training": tokens[training], "validation": tokens[validation], "test": tokens[test]}


def fit_scaling(tokens: rm.TokenSet, chosen: Mapping[str, Any]) -> rm.Scaling:
    """Every variable to mean 0 and standard deviation 1 on the training stays; times as ``chosen``."""
    return rm.Scaling.fit(tokens, values="standard", origin=chosen["origin"], unit=chosen["unit"])


def hidden_times(tokens: rm.TokenSet) -> Array:
    """(T,) True at a random half of the distinct times of each stay, whatever else is asked."""
    hidden = rm.TokenBatch.collate(tokens).hide(0.5, strategy="times", seed=HIDING_SEED).is_hidden
    assert hidden is not None
    return hidden.numpy()


def simple_answers(tokens: rm.TokenSet, is_hidden: Array) -> dict[str, Array]:
    """(M,) answers of the mean, the last value and straight lines; the mean, where a stay has no value to go by."""
    n_channels = len(tokens.channels)
    time, channel = tokens.positions[:, 0], tokens.positions[:, 1].astype(int)
    value = tokens.values[:, 0].astype(float)
    seen = ~is_hidden
    count = np.maximum(np.bincount(channel[seen], minlength=n_channels), 1)
    mean = np.bincount(channel[seen], weights=value[seen], minlength=n_channels) / count
    last, line = mean[channel], mean[channel]
    order = np.lexsort((time, channel, tokens.sample_idx))
    series = tokens.sample_idx[order] * n_channels + channel[order]
    for rows in np.split(order, np.flatnonzero(np.diff(series)) + 1):
        known, asked = rows[seen[rows]], rows[is_hidden[rows]]
        if len(known) and len(asked):
            line[asked] = np.interp(time[asked], time[known], value[known])
            before = np.searchsorted(time[known], time[asked], side="right") - 1
            last[asked] = value[known][before.clip(min=0)]
    return {
        "straight lines between neighbours in time": line[is_hidden],
        "last value of the variable": last[is_hidden],
        "mean of the variable": mean[channel][is_hidden],
    }


def parts(run: Run) -> Mapping[str, Stage]:
    """One model, beside simple methods."""

    def single() -> StageResult:
        chosen = run.settings
        of = splits(stays(chosen["n_stays"]), chosen["validation_fraction"])
        scaling = fit_scaling(of["training"], chosen)
        run.set_seed()
        model = rm.RoMAEForPreTraining(rm.RoMAEConfig(n_values=1, n_axes=2, **chosen["model"]))
        result = run.train(
            "model", model, of["training"], chosen["training"], validation=of["validation"], scaling=scaling
        )
        test = scaling.apply(of["test"])
        is_hidden = hidden_times(test)
        truth = test.values[is_hidden, 0]
        error = float(np.square(predict_masked(model, test, is_hidden)[:, 0] - truth).mean())
        rows = [Measure(DATASET, METRIC, "test", error, "RoMAE", model.n_parameters(), result.seconds)]
        for name, answers in simple_answers(test, is_hidden).items():
            rows.append(Measure(DATASET, METRIC, "test", float(np.square(answers - truth).mean()), name))
        return StageResult(rows)

    return {"single": single}


AS_ASKED = {"strategy": "times", "fraction": 0.5}
QUICK = {
    "n_stays": None,
    "validation_fraction": 0.05,
    "origin": "first",
    "unit": "auto",
    "model": {"size": "tiny-shallow", "queries": "independent", "context": 4},
    "training": {
        "epochs": 3,
        "max_steps": 800,
        "batch_size": 16,
        "learning_rate": 1e-3,
        "hiding": AS_ASKED,
        "evaluate_every": 1,
    },
}
PAPER = {
    "n_stays": None,
    "validation_fraction": 0.2,
    "origin": "none",
    "unit": MINUTES,
    "model": {"size": "tiny"},
    "training": {
        "epochs": 200,
        "batch_size": 16,
        "learning_rate": 1e-4,
        "warmup_steps": 100,
        "hiding": AS_ASKED,
    },
}

EXPERIMENT = Experiment(
    name="physionet",
    title="Intensive care, interpolation",
    source="Table 7",
    profiles={
        "quick": Profile(QUICK, 20, 2.5, "data: PhysioNet 2012"),
        "paper": Profile(PAPER, 10_000, 4, "data: PhysioNet 2012; a GPU"),
    },
    parts=parts,
    trial={"n_stays": 60},
    references=[Reference(DATASET, METRIC, 0.567, 0.562, "HeTVAE")],
    protocol="""
After HeTVAE: 7990 stays of sets a and b (10 of the 8000 have no series), all 41 variables, times to the minute, a
fifth to test; each variable has mean 0 and standard deviation 1 on the training stays. Half of the distinct times of
a stay are hidden, with all that was measured then, and the error is the mean over all hidden measurements. Profile
`quick` is a short training of a small model on a CPU: 800 updates of 16 stays where the paper has 200 epochs. The
published numbers come from another split and other statistics, so that simple methods are what to compare with first:
straight lines do better here than the published models do there.
""",
)
