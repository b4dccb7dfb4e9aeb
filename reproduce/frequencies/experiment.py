"""Interpolation error by frequency (Fig. 3-5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

import rotary_mae as rm
from reproduce.experiment import Experiment, Measure, Profile, Stage, StageResult
from reproduce.frequencies.data import MAX_FREQUENCY, WAVES, Waves, make_waves
from reproduce.predictions import predict_masked
from reproduce.run import Run
from reproduce.series import linear_interpolation, tokens_at_shared_times

Array = npt.NDArray[Any]

METRIC, LINEAR = "mean squared error", "linear interpolation"
TRAIN_SEED, VALIDATION_SEED, TEST_SEED = 0, 1, 100
BANDS = {"0-8 Hz": slice(0, 9), "9-16 Hz": slice(9, 17), "17-24 Hz": slice(17, 25)}


def as_tokens(waves: Waves, unit: float) -> rm.TokenSet:
    """Return one token per value; ``unit`` is the distance 1 between positions."""
    return tokens_at_shared_times(waves.times / unit, waves.values)


def interpolate_linearly(waves: Waves) -> Array:
    """Return (M,) masked values by linear interpolation."""
    return linear_interpolation(waves.times, waves.values, waves.is_hidden)


def errors(predictions: Array, waves: Waves) -> tuple[float, float]:
    """Return the mean squared errors of the masked values and of the spectra.

    Parameters
    ----------
    predictions : array
        (M,) predicted masked values. The spectra are those of the series with these values filled in, scaled so that a
        wave of amplitude 1 has a coefficient of modulus 1.
    waves : Waves
        True series.

    Returns
    -------
    tuple of float
        Error of the values and error of the spectra.
    """
    filled = waves.values.copy()
    filled[waves.is_hidden] = predictions
    scale = 2.0 / filled.shape[1]
    spectrum_errors = scale * np.abs(np.fft.rfft(filled - waves.values, axis=1))
    value_errors = filled[waves.is_hidden] - waves.values[waves.is_hidden]
    return float(np.square(value_errors).mean()), float(np.square(spectrum_errors).mean())


def errors_by_frequency(predict: Callable[[Waves], Array], kind: str, n: int) -> Array:
    """Return (25, 2) errors at each integer frequency, from ``n`` series of that frequency alone."""
    found = []
    for frequency in range(MAX_FREQUENCY + 1):
        waves = make_waves(kind, n, TEST_SEED + frequency, frequency)
        found.append(errors(predict(waves), waves))
    return np.array(found)


def run_kind(run: Run, kind: str) -> StageResult:
    """Train a model on one kind of wave and evaluate it beside linear interpolation."""
    chosen = run.settings
    run.set_seed()
    model = rm.RoMAEForPreTraining(rm.RoMAEConfig(n_values=1, n_axes=1, **chosen["model"]))
    training = as_tokens(make_waves(kind, chosen["n_train"], TRAIN_SEED), chosen["unit"])
    validation = as_tokens(make_waves(kind, chosen["n_validation"], VALIDATION_SEED), chosen["unit"])
    result = run.train(kind.replace(" ", "-"), model, training, chosen["training"], validation=validation)

    def predict(waves: Waves) -> Array:
        return predict_masked(model, as_tokens(waves, chosen["unit"]), waves.is_hidden.ravel())[:, 0]

    cost: dict[str, Any] = {"n_parameters": model.n_parameters(), "seconds": result.seconds}
    curves = {
        "RoMAE": errors_by_frequency(predict, kind, chosen["n_test"]),
        LINEAR: errors_by_frequency(interpolate_linearly, kind, chosen["n_test"]),
    }
    rows = []
    for method, curve in curves.items():
        for band, frequencies in BANDS.items():
            more = cost if method == "RoMAE" else {}
            error = float(curve[frequencies, 0].mean())
            rows.append(Measure(f"{kind}, {band}", METRIC, "test", error, method, **more))
    return StageResult(rows, {f"{kind}: {method}": curve.tolist() for method, curve in curves.items()})


def stages(run: Run) -> Mapping[str, Stage]:
    """Return one stage for each kind of wave."""
    return {kind.replace(" ", "-"): partial(run_kind, run, kind) for kind in run.settings["kinds"]}


def figures(results: Sequence[Mapping[str, Any]]) -> Mapping[str, Figure]:
    """Draw mean error over the seeds against frequency, in time and in the spectrum, one column per kind of wave."""
    kinds = [kind for kind in WAVES if f"{kind}: RoMAE" in results[0]["curves"]]
    figure = Figure(figsize=(4.2 * len(kinds), 5.2), layout="constrained")
    panels = figure.subplots(2, len(kinds), squeeze=False, sharex=True)
    for column, kind in enumerate(kinds):
        for row, domain in enumerate(("in time", "in the spectrum")):
            panel = panels[row, column]
            for method in ("RoMAE", LINEAR):
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
    title="Interpolation error by frequency",
    source="Fig. 3-5",
    profiles={"quick": Profile(QUICK, 20, 1), "paper": Profile(PAPER, 5000, 2, "a GPU")},
    stages=stages,
    trial={"n_train": 16, "n_validation": 8, "n_test": 2},
    references=[],
    figures=figures,
    protocol="""
Series of 100 regular times on [0, 1] are sums of one or two waves of integer frequency 0 to 24 Hz, amplitude 1 and
random phase, with noise of standard deviation 0.01; half of the points are masked. There is one model for each kind
of wave, trained on 10 000 series. It is evaluated on 200 series of each single frequency, by the error of the masked
values and of the spectrum of the interpolated series. The paper shows curves without numbers and finds an error that
grows about linearly above 9 Hz. It does not state the learning rate of this experiment; profile `paper` uses that of
the other series. Profile `quick` measures time in steps and has a smaller model.
""",
)
