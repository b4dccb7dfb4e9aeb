"""Effect of each setting: one is changed at a time and evaluated on validation samples."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

import rotary_mae as rm
from reproduce.ablations.data import Split, basic_motions, channels_as_values, light_curves, synthetic
from reproduce.experiment import Experiment, Measure, Profile, Stage, StageResult
from reproduce.model_selection import with_changes
from reproduce.predictions import predict, predict_masked
from reproduce.run import Run

MASKING_SEED = 0
"""Seed of the tokens that are masked for evaluation; the same for every variant."""

SHARED_VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "p = 0": {"model.rope_fraction": 0.0},
    "p = 0.5": {"model.rope_fraction": 0.5},
    "p = 1": {"model.rope_fraction": 1.0},
    "without CLS": {"model.cls": False},
    "context k = 0": {"model.context": 0},
    "context k = 2": {"model.context": 2},
    "context k = 4": {"model.context": 4},
    "context k = 8": {"model.context": 8},
}
POSITION_VARIANTS = {"positions in the unit of the data": {"unit": 1.0}}
CLASSIFICATION_VARIANTS: dict[str, dict[str, Any]] = {
    "without pre-training, as many updates": {"pretraining_fraction": 0.0},
    "input projection not transferred": {"is_projection_transferred": False},
    "25 % masked in pre-training": {"hiding.fraction": 0.25},
    "50 % masked in pre-training": {"hiding.fraction": 0.5},
    "90 % masked in pre-training": {"hiding.fraction": 0.9},
    "75 % masked in blocks": {"hiding.strategy": "block"},
}
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "synthetic": {
        **SHARED_VARIANTS,
        **POSITION_VARIANTS,
        "independent queries": {"model.queries": "independent"},
        "50 % masked in training": {"hiding": {"strategy": "uniform", "fraction": 0.5}},
        "75 % masked in training": {"hiding": {"strategy": "uniform", "fraction": 0.75}},
        "masked in blocks": {"hiding.strategy": "block"},
    },
    "light curves": {
        **SHARED_VARIANTS,
        **POSITION_VARIANTS,
        **CLASSIFICATION_VARIANTS,
        "channel as a learned embedding": {"is_channel_axis": False},
    },
    # its positions are numbers of steps, so that their unit is fitted already
    "BasicMotions": {**SHARED_VARIANTS, **CLASSIFICATION_VARIANTS},
}
DATASETS = {
    "synthetic": "synthetic (HeTVAE)",
    "light curves": "simulated light curves, 4 classes",
    "BasicMotions": "BasicMotions, training set",
}


def interpolation(run: Run, name: str, settings: Mapping[str, Any]) -> Measure:
    """Train on the synthetic series and return the error of masked values of the validation series."""
    data = synthetic(settings["n_series"], settings["unit"])
    run.set_seed()
    model = rm.RoMAEForPreTraining(rm.RoMAEConfig(n_values=1, n_axes=1, **settings["model"]))
    training = {**settings["training"], **schedule_of(settings["n_steps"]), "hiding": settings["hiding"]}
    result = run.train(name, model, data.training, training)
    masking = rm.TrainingConfig.from_dict(VALIDATION_MASKING).hiding
    is_hidden_or_none = rm.TokenBatch.collate(data.validation).hide(masking, seed=MASKING_SEED).is_hidden
    assert is_hidden_or_none is not None
    is_hidden = is_hidden_or_none.numpy()
    # predictions and targets are both in scaled units
    error = np.square(predict_masked(model, data.validation, is_hidden) - data.validation.values[is_hidden]).mean()
    return Measure("", "mean squared error", "validation", float(error), "", model.n_parameters(), result.seconds)


def classification(run: Run, name: str, settings: Mapping[str, Any], data: Split) -> Measure:
    """Pre-train, fine-tune and return the validation accuracy; ``pretraining_fraction`` divides the updates."""
    training, validation = data.training, data.validation
    if not settings["is_channel_axis"] and training.schema.channel_axis is not None:
        training, validation = channels_as_values(training), channels_as_values(validation)
    n_predicted = training.schema.n_predicted
    shape = {"n_values": training.values.shape[1], "n_axes": len(training.axes), "n_predicted": n_predicted}
    config = rm.RoMAEConfig(**shape, **settings["model"])
    n_pretraining_steps = round(settings["n_steps"] * settings["pretraining_fraction"])
    run.set_seed()
    model = rm.RoMAEForPrediction(config, outputs=data.n_classes)
    seconds = 0.0
    if n_pretraining_steps:
        pretrained = rm.RoMAEForPreTraining(config)
        pretraining = {**settings["training"], **schedule_of(n_pretraining_steps), "hiding": settings["hiding"]}
        seconds = run.train(f"{name}-pre-training", pretrained, training, pretraining).seconds
        initial = {k: v.clone() for k, v in model.state_dict().items() if k.startswith("encoder.projection.")}
        rm.transfer(pretrained, model)
        if not settings["is_projection_transferred"]:
            model.load_state_dict({**model.state_dict(), **initial})
    fine_tuning = {**settings["training"], **schedule_of(settings["n_steps"] - n_pretraining_steps)}
    seconds += run.train(f"{name}-fine-tuning", model, training, fine_tuning).seconds
    accuracy = float((predict(model, validation).argmax(1) == validation.targets).mean())
    return Measure("", "accuracy", "validation", accuracy, "", model.n_parameters(), seconds)


def schedule_of(n_steps: int) -> dict[str, Any]:
    """Return the settings of a training of ``n_steps`` updates, in as many epochs as they take."""
    return {"epochs": n_steps, "max_steps": n_steps}


def run_variant(run: Run, which: str, variant: str) -> StageResult:
    """Train and evaluate one variant on one dataset."""
    of_dataset = {**run.settings["every"], **run.settings[which]}
    settings = with_changes(of_dataset, VARIANTS[which][variant])
    name = f"{which}-{variant}".replace(" ", "-").replace("%", "percent")
    if which == "synthetic":
        found = interpolation(run, name, settings)
    elif which == "light curves":
        found = classification(run, name, settings, light_curves(settings["n_series"], settings["unit"], run.seed))
    else:
        found = classification(run, name, settings, basic_motions(settings["unit"], run.seed))
    row = Measure(
        DATASETS[which],
        found.metric,
        found.split,
        found.value,
        f"RoMAE, {variant}",
        found.n_parameters,
        found.seconds,
    )
    return StageResult([row])


def stages(run: Run) -> Mapping[str, Stage]:
    """Return one stage for every variant and dataset."""
    named: dict[str, Stage] = {}
    for which in run.settings["sets"]:
        for i, variant in enumerate(VARIANTS[which]):
            if not run.is_trial or i in run.settings["variants_of_trial"]:
                named[f"{which}, {variant}".replace("%", "percent")] = partial(run_variant, run, which, variant)
    return named


VALIDATION_MASKING: dict[str, Any] = {"hiding": {"strategy": "uniform", "fraction": 0.94, "least_fraction": 0.8}}
SMALL = {"width": 48, "heads": 2, "depth": 2, "hidden": 96}
MODEL = {**SMALL, "decoder": SMALL, "context": 0}
EVERY = {
    "n_steps": 400,
    "unit": "auto",
    "model": MODEL,
    "hiding": {"strategy": "uniform", "fraction": 0.75},
    "training": {"batch_size": 32, "learning_rate": 2e-3, "weight_decay": 0.05},
    "pretraining_fraction": 0.5,
    "is_projection_transferred": True,
    "is_channel_axis": True,
}
QUICK: dict[str, Any] = {
    "sets": list(VARIANTS),
    "variants_of_trial": [],
    "every": EVERY,
    "synthetic": {"n_series": 1600, **VALIDATION_MASKING},
    "light curves": {"n_series": 400},
    "BasicMotions": {"n_steps": 200, "training": {**EVERY["training"], "batch_size": 8}},  # type: ignore[dict-item]
}
PAPER = {**QUICK, "every": {**EVERY, "n_steps": 4000, "model": {"size": "tiny", "context": 0}}}

EXPERIMENT = Experiment(
    name="ablations",
    title="Ablations",
    source="not in the paper",
    profiles={
        "quick": Profile(QUICK, 20, 1.5, "data: UEA BasicMotions"),
        "paper": Profile(PAPER, 2000, 3, "data: UEA BasicMotions; a GPU"),
    },
    stages=stages,
    trial={"sets": ["synthetic", "light curves"], "variants_of_trial": [0, 11, 16], "every": {**EVERY, "n_steps": 4}},
    references=[],
    protocol="""
One setting is changed at a time; everything else is the default: p = 0.75, CLS, no local context, positions in a
fitted unit, joint queries, 75 % masked uniformly (80 to 94 % of the synthetic series, as in their evaluation), the
channel as an axis, half of the updates for pre-training, all shared weights transferred. The models are small and
trained for 400 updates (200 on BasicMotions). The results therefore show the effect of a setting on short trainings
of small models on small datasets. Every variant is evaluated on validation samples: an eighth of the synthetic
series, a quarter of the other datasets, drawn anew with every seed. BasicMotions has ten validation samples, and most
variants classify all of them correctly: it shows large losses alone. All rows except those of k = 8 were measured
before the commit that they name, with the same settings.
""",
)
