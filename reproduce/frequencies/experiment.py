"""Which frequencies survive interpolation (Fig. 3-5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

import rotary_mae as rm
from reproduce.predictions import predict_masked
from reproduce.experiment import Experiment, StageResult, Measure, Stage, Profile
from reproduce.frequencies.data import MAX_FREQUENCY, WAVES, Waves, make_waves
from reproduce.run import Run

Array = npt.NDArray[Any]

METRIC = "mean squared error"
TRAIN_SEED, VALIDATION_SEED, TEST_SEED = 0, 1, 100
BANDS = {"0-8 Hz": slice(0, 9), "9-16 Hz": slice(9, 17), "17-24 Hz": slice(17, 25)}


def as_tokens(waves: Waves, unit: float) -> rm.TokenSet:
    """A token a value at its time."""
    n, n_times = waves.values.shape
    return rm.TokenSet(waves.values.ravel(), np.tile(waves.times / unit, n), [n_times] * n, axes=("time",))


def linear_interpolation(waves: Waves) -> Array:
    """(M,) hidden values read off straight lines, level outside."""
    pairs = zip(waves.values, waves.is_hidden, strict=True)
    return np.concatenate([np.interp(waves.times[h], waves.times[~h], values[~h]) for values, h in pairs])


def errors(answers: Array, waves: Waves) -> tuple[float, float]:
    """Mean squared error of the hidden values; and of the spectra of series with the answers filled in.

    A spectrum is scaled so that a wave of amplitude 1 has a coefficient of modulus 1.
    """
    filled = waves.values.copy()
    filled[waves.is_hidden] = answers
    scale = 2.0 / filled.shape[1]
    of_spectra = scale * np.abs(np.fft.rfft(filled - waves.values, axis=1))
    of_values = filled[waves.is_hidden] - waves.values[waves.is_hidden]
    return float(np.square(of_values).mean()), float(np.square(of_spectra).mean())


def by_frequency(answer: Any, kind: str, n: int) -> Array:
    """(25, 2) errors at each whole frequency, from ``n`` series of it alone."""
    found = []
    for frequency in range(MAX_FREQUENCY + 1):
        waves = make_waves(kind, n, TEST_SEED + frequency, frequency)
        found.append(errors(answer(waves), waves))
    return np.array(found)


def one_kind(run: Run, kind: str) -> StageResult:
    """A model trained on one kind of wave, and straight lines."""
    chosen = run.settings
    run.set_seed()
    model = rm.RoMAEForPreTraining(rm.RoMAEConfig(n_values=1, n_axes=1, **chosen["model"]))
    training = as_tokens(make_waves(kind, chosen["n_train"], TRAIN_SEED), chosen["unit"])
    validation = as_tokens(make_waves(kind, chosen["n_validation"], VALIDATION_SEED), chosen["unit"])
    result = run.train(kind.replace(" ", "-"), model, training, chosen["training"], validation=validation)

    def answered(waves: Waves) -> Array:
        return predict_masked(model, as_tokens(waves, chosen["unit"]), waves.is_hidden.ravel())[:, 0]

    about = {"n_parameters": model.n_parameters(), "seconds": result.seconds}
    curves = {
        "RoMAE": by_frequency(answered, kind, chosen["n_test"]),
        "straight lines": by_frequency(linear_interpolation, kind, chosen["n_test"]),
    }
    rows = []
    for method, curve in curves.items():
        for band, part in BANDS.items():
            more = about if method == "RoMAE" else {}
            rows.append(Measure(f"{kind}, {band}", METRIC, "test", float(curve[part, 0].mean()), method, **more))
    return StageResult(rows, {f"{kind}: {method}": curve.tolist() for method, curve in curves.items()})


def parts(run: Run) -> Mapping[str, Stage]:
    """A model a kind of wave."""
    return {kind.replace(" ", "-"): partial(one_kind, run, kind) for kind in run.settings["kinds"]}


def figures(results: Sequence[Mapping[str, Any]]) -> Mapping[str, Figure]:
    """Error against frequency, in time and in the spectrum, a column a kind of wave; mean over the seeds."""
    kinds = [kind for kind in WAVES if f"{kind}: RoMAE" in results[0]["curves"]]
    figure = Figure(figsize=(4.2 * len(kinds), 5.2), layout="constrained")
    panels = figure.subplots(2, len(kinds), squeeze=False, sharex=True)
    for column, kind in enumerate(kinds):
        for row, domain in enumerate(("in time", "in the spectrum")):
            panel = panels[row, column]
            for method in ("RoMAE", "straight lines"):
                curve = np.mean([result["curves"][f"{kind}: {method}"] for result in results], axis=0)
                panel.plot(curve[:, row], marker=".", label=method)
            panel.set_yscale("log")
            panel.set_title(f"{kind}, {domain}", fontsize=10)
        panels[1, column].set_xlabel("frequency (Hz)")
    for row in range(2):
        panels[row, 0].set_ylabel("mean squared error")
    panels[0, 0].legend(fontsize=8, frameon=False)
    return {"figures-3-5": figure}


HIDING = {"strategy": "uniform", "fraction": 0.5}
QUICK = {
    "kinds": list(WAVES),
    "n_train": 10_000,
    "n_validation": 500,
    "n_test": 200,
    "unit": 0.01,
    "model": {
        "width": 96,
        "heads": 2,
        "depth": 3,
        "hidden": 192,
        "queries": "independent",
        "decoder": {"width": 96, "heads": 2, "depth": 2, "hidden": 192},
    },
    "training": {
        "epochs": 6,
        "batch_size": 32,
        "learning_rate": 2e-3,
        "weight_decay": 0.01,
        "hiding": HIDING,
        "evaluate_every": 1,
    },
}
PAPER = {
    "kinds": list(WAVES),
    "n_train": 10_000,
    "n_validation": 500,
    "n_test": 200,
    "unit": 1.0,
    "model": {"size": "tiny"},
    "training": {"epochs": 200, "batch_size": 64, "learning_rate": 3e-4, "hiding": HIDING},
}

EXPERIMENT = Experiment(
    name="frequencies",
    title="Frequencies kept in interpolation",
    source="Fig. 3-5",
    profiles={"quick": Profile(QUICK, 20, 1), "paper": Profile(PAPER, 5000, 2, "a GPU")},
    parts=parts,
    trial={"n_train": 16, "n_validation": 8, "n_test": 2},
    references=[],
    figures=figures,
    protocol="""
Series of 100 even times on [0, 1], sums of one or two waves of whole frequency 0 to 24 Hz, amplitude 1 and random
phase, with noise of standard deviation 0.01; half of the points are hidden. A model a kind of wave, trained on 10 000
series; then 200 series of each single frequency: the error of hidden values, and of the spectrum of the series filled
in. The paper gives curves and no numbers, and finds the error growing about linearly above 9 Hz. It does not give its
learning rate here; profile `paper` takes that of the other series. Profile `quick` counts time in steps and has a
smaller model.
""",
)
