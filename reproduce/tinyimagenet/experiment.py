"""Classification of small photographs with rotary and absolute positions: Tiny ImageNet or a part of it (Table 2)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from sklearn.metrics import f1_score

from reproduce.classify import SelectedSamples, classify, encode
from reproduce.experiment import Experiment, Measure, Profile, Reference, Stage, StageResult
from reproduce.run import Run
from reproduce.tinyimagenet.data import split

METRIC, SPLIT = "macro F1", "validation"
VARIANTS: dict[str, dict[str, Any]] = {
    "RoPE": {"cls": False},
    "RoPE + CLS": {"cls": True},
    "absolute + CLS": {"cls": True, "positions": "absolute"},
}
COMPARED = "absolute + CLS"
ALL_CLASSES = 200


def dataset(settings: Mapping[str, Any]) -> str:
    """Return the dataset name in the table."""
    if settings["n_classes"] == ALL_CLASSES and settings["n_per_class"] is None:
        return "Tiny ImageNet"
    return f"Tiny ImageNet, {settings['n_classes']} classes x {settings['n_per_class'] or 'all'}"


def read_splits(run: Run) -> tuple[SelectedSamples, SelectedSamples, int]:
    """Return the training set, the published validation set that serves as test set, and the number of classes."""
    chosen = run.settings
    arguments = {name: chosen[name] for name in ("n_classes", "n_per_class", "size", "patch")}
    training = split("train", **arguments, n_views=chosen["n_views"], seed=run.seed)
    test = split("val", **arguments)
    training_labels, test_labels, n_classes = encode(np.asarray(training.targets), np.asarray(test.targets))
    return (
        SelectedSamples(training, np.arange(len(training)), training_labels),
        SelectedSamples(test, np.arange(len(test)), test_labels),
        n_classes,
    )


def compare_variants(run: Run) -> StageResult:
    """Scores of the three variants, and the differences of the rotary ones from the absolute one."""
    training, test, n_classes = read_splits(run)
    labels = np.asarray(test.targets)
    rows = []
    for name, changes in VARIANTS.items():
        settings = {**run.settings, "model": {**run.settings["model"], **changes}}
        found = classify(run, name.replace(" ", ""), training, test, n_classes, settings)
        value = float(f1_score(labels, found.classes, average="macro"))
        name_in_table = f"{dataset(run.settings)}, {name}"
        rows.append(Measure(name_in_table, METRIC, SPLIT, value, "RoMAE", found.n_parameters, found.seconds))
    values = dict(zip(VARIANTS, (row.value for row in rows), strict=True))
    for name in VARIANTS:
        if name != COMPARED:
            name_in_table = f"{dataset(run.settings)}, {name} minus {COMPARED}"
            rows.append(Measure(name_in_table, METRIC, SPLIT, values[name] - values[COMPARED], "RoMAE"))
    return StageResult(rows)


def stages(run: Run) -> Mapping[str, Stage]:
    """Return the only stage: the rows of differences need all variants."""
    return {"variants": partial(compare_variants, run)}


QUICK: dict[str, Any] = {
    "n_classes": 50,
    "n_per_class": 200,
    "size": 64,
    "patch": 8,
    "n_views": 1,
    "scaling": {},
    "model": {"size": "tiny-shallow", "normalize_targets": True},
    "classifier": {},
    "pretraining": {"epochs": 5, "learning_rate": 1e-3, "average": 0.1},
    "fine_tuning": {"epochs": 7, "learning_rate": 1e-3, "average": 0.1, "label_smoothing": 0.1},
}
PAPER: dict[str, Any] = {
    "n_classes": ALL_CLASSES,
    "n_per_class": None,
    "size": 224,
    "patch": 16,
    "n_views": 5,
    "scaling": {},
    "model": {"size": "small", "normalize_targets": True},
    "classifier": {},
    # 40 and 3 epochs of five versions are the published 200 and 15 epochs of the images
    "pretraining": {
        "epochs": 40,
        "batch_size": 256,
        "accumulate": 4,
        "learning_rate": 2e-4,
        "warmup_steps": 2000,
        "precision": "bf16",
    },
    "fine_tuning": {
        "epochs": 3,
        "batch_size": 256,
        "accumulate": 4,
        "learning_rate": 1e-3,
        "warmup_steps": 500,
        "betas": [0.9, 0.999],
        "label_smoothing": 0.1,
        "precision": "bf16",
    },
}

EXPERIMENT = Experiment(
    name="tinyimagenet",
    title="Rotary and absolute positions on photographs",
    source="Table 2",
    profiles={
        "quick": Profile(QUICK, 20, 3, "data: Tiny ImageNet, or its part of 50 classes; extra images"),
        "paper": Profile(PAPER, 50_000, 8, "data: all of Tiny ImageNet; a GPU"),
    },
    stages=stages,
    trial={"n_classes": 4, "n_per_class": 2, "n_views": 2},
    references=[
        Reference("Tiny ImageNet, RoPE", METRIC, 0.500),
        Reference("Tiny ImageNet, RoPE + CLS", METRIC, 0.475),
        Reference("Tiny ImageNet, absolute + CLS", METRIC, 0.479),
        Reference("Tiny ImageNet, RoPE minus absolute + CLS", METRIC, 0.021),
        Reference("Tiny ImageNet, RoPE + CLS minus absolute + CLS", METRIC, -0.004),
    ],
    protocol="""
Three variants share one schedule: rotary positions without and with CLS, and sinusoids added to the tokens with CLS,
as in MAE. The published validation set is the test set here; it selects nothing, and the last weights are evaluated.
Rows of differences give the order of the variants, which is the result of this table; the paper has 0.021 for RoPE
and -0.004 for RoPE + CLS, each minus absolute + CLS. Profile `paper` has the published settings for all 200 classes:
images enlarged to 224 x 224, and batches of 1024 accumulated over four. Instead of RandAugment it has five versions
of each image, four of them randomly cropped and mirrored. Profile `quick` is small: 50 classes with 200 images each,
64 x 64 pixels in patches of 8 x 8, and twelve epochs. The order of the variants after twelve epochs says little about
the order after 200.
""",
)
