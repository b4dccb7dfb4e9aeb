"""Classes of small photographs, with rotary and with absolute positions: Tiny ImageNet, or a part of it (Table 2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.metrics import f1_score

from reproduce.classify import SelectedSamples, classify, encode
from reproduce.experiment import Experiment, StageResult, Measure, Stage, Profile, Reference
from reproduce.run import Run
from reproduce.tinyimagenet.data import split

METRIC, SPLIT = "macro F", "validation part"
VARIANTS: dict[str, dict[str, Any]] = {
    "RoPE": {"cls": False},
    "RoPE + CLS": {"cls": True},
    "absolute + CLS": {"cls": True, "positions": "absolute"},
}
COMPARED = "absolute + CLS"
ALL_CLASSES = 200


def dataset(settings: Mapping[str, Any]) -> str:
    """What the set is called."""
    if settings["n_classes"] == ALL_CLASSES and settings["n_per_class"] is None:
        return "Tiny ImageNet"
    return f"Tiny ImageNet, {settings['n_classes']} classes x {settings['n_per_class'] or 'all'}"


def read(run: Run) -> tuple[SelectedSamples, SelectedSamples, int]:
    """Training photographs, in as many views as there shall be, and those that judge: the published validation part."""
    chosen = run.settings
    how = {name: chosen[name] for name in ("n_classes", "n_per_class", "size", "patch")}
    training = split("train", **how, n_views=chosen["n_views"], seed=run.seed)
    judging = split("val", **how)
    labels, wanted, n_classes = encode(np.asarray(training.targets), np.asarray(judging.targets))
    return (
        SelectedSamples(training, np.arange(len(training)), labels),
        SelectedSamples(judging, np.arange(len(judging)), wanted),
        n_classes,
    )


def variants(run: Run) -> StageResult:
    """The three variants, and how far the rotary ones are above the absolute one."""
    training, judging, n_classes = read(run)
    truth = np.asarray(judging.targets)
    rows = []
    for name, changes in VARIANTS.items():
        settings = {**run.settings, "model": {**run.settings["model"], **changes}}
        found = classify(run, name.replace(" ", ""), training, judging, n_classes, settings)
        value = float(f1_score(truth, found.classes, average="macro"))
        what = f"{dataset(run.settings)}, {name}"
        rows.append(Measure(what, METRIC, SPLIT, value, "RoMAE", found.n_parameters, found.seconds))
    values = dict(zip(VARIANTS, (row.value for row in rows), strict=True))
    for name in VARIANTS:
        if name != COMPARED:
            what = f"{dataset(run.settings)}, {name} less {COMPARED}"
            rows.append(Measure(what, METRIC, SPLIT, values[name] - values[COMPARED], "RoMAE"))
    return StageResult(rows)


def parts(run: Run) -> Mapping[str, Stage]:
    """One part: the rows of differences need all variants."""
    return {"variants": lambda: variants(run)}


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
    # 200 and 15 passes over the pictures are 40 and 3 over five views of them
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
    parts=parts,
    trial={"n_classes": 4, "n_per_class": 2, "n_views": 2},
    references=[
        Reference("Tiny ImageNet, RoPE", METRIC, 0.500),
        Reference("Tiny ImageNet, RoPE + CLS", METRIC, 0.475),
        Reference("Tiny ImageNet, absolute + CLS", METRIC, 0.479),
        Reference("Tiny ImageNet, RoPE less absolute + CLS", METRIC, 0.021),
        Reference("Tiny ImageNet, RoPE + CLS less absolute + CLS", METRIC, -0.004),
    ],
    protocol="""
Three variants with the same schedule: rotary positions without and with CLS, and sinusoids added to the tokens with
CLS, which is MAE. The published validation part judges and chooses nothing: the last weights count. Rows of
differences say in which order the variants come, which is what this table is about; the paper has 0.021 for RoPE and
-0.004 for RoPE + CLS, each less absolute + CLS. Profile `paper` has the published settings for all 200 classes,
pictures enlarged to 224 x 224, batches of 1024 gathered over four; instead of RandAugment, five views of each picture,
four of them cropped and mirrored at random. Profile `quick` is small: 50 classes with 200 pictures each as they are,
64 x 64 in patches of 8 x 8, and a dozen passes; what order comes out there says little of that after 200.
""",
)
