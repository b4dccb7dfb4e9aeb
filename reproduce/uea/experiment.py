"""Classes of multivariate series of which steps are missing: five problems of the UEA archive (Table 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold

import rotary_mae as rm
from reproduce.classify import TREES, ClassifierResult, boosted_trees, classify, encode, merged
from reproduce.ensemble import mean, method
from reproduce.experiment import Experiment, StageResult, Measure, Stage, Profile, Reference
from reproduce.features import features
from reproduce.run import Run
from reproduce.uea.data import SETS, parts
from reproduce.uea.minirocket import measured
from reproduce.uea.augmentation import Turned

METRIC = "accuracy"
ROCKET = "MiniRocket on straight lines between steps"


def answered(
    run: Run, name: str, training: rm.TokenSet, asked: rm.TokenSet, n_classes: int, part: str = ""
) -> ClassifierResult:
    """Answers of the model of one problem, trained unless it was before.

    training: with whole numbers as targets. part: which of several models of the problem, in names of folders.
    """
    settings = merged(run.settings, name)
    turned = settings["turned"]
    known = Turned(training, seed=run.seed, **turned) if turned else training
    return classify(run, name + part, known, asked, n_classes, settings)


def one(run: Run, name: str) -> StageResult:
    """One problem: the model, beside methods that take seconds."""
    of = parts(name, run.settings["dropped"], run.seed, run.settings["n_samples"])
    labels, wanted, n_classes = encode(np.asarray(of.training.targets), np.asarray(of.test.targets))
    found = answered(run, name, of.training.with_targets(labels), of.test, n_classes)
    accuracy = float((found.classes == wanted).mean())
    rows = [Measure(of.dataset, METRIC, "test", accuracy, "RoMAE", found.n_parameters, found.seconds)]
    trees = boosted_trees(features(of.training), labels, features(of.test), n_classes, run.seed)
    rows.append(Measure(of.dataset, METRIC, "test", float((trees.argmax(1) == wanted).mean()), TREES))
    if not run.is_trial and (rocket := measured(of.dataset, run.seed)):
        rows.append(Measure(of.dataset, METRIC, "test", rocket["accuracy"], ROCKET, None, rocket["seconds"]))
    return StageResult(rows)


def together(runs: Sequence[Run]) -> StageResult:
    """The test series of every seed's draw, asked of the models of all."""
    settings, rows = runs[0].settings, []
    for name in settings["sets"]:
        draws = [parts(name, settings["dropped"], run.seed, settings["n_samples"]) for run in runs]
        for draw in draws:
            answers = []
            for run, own in zip(runs, draws, strict=True):
                labels, wanted, n_classes = encode(np.asarray(own.training.targets), np.asarray(draw.test.targets))
                answers.append(answered(run, name, own.training.with_targets(labels), draw.test, n_classes))
            right = mean([one.probabilities for one in answers]).argmax(1) == wanted
            size, seconds = sum(one.n_parameters for one in answers), sum(one.seconds for one in answers)
            rows.append(Measure(draw.dataset, METRIC, "test", float(right.mean()), method(len(runs)), size, seconds))
    return StageResult(rows)


def every_part(run: Run) -> Mapping[str, Stage]:
    """The problems, one after the other."""
    return {name: partial(one, run, name) for name in run.settings["sets"]}


def validation_score(run: Run) -> tuple[float, int]:
    """Mean log loss of the training parts, each third asked of a model of the others.

    Thirds are runs of a class as the file has them: neighbours there are often alike, and would give each other away.
    """
    losses, n_parameters = [], 0
    for name in run.settings["sets"]:
        training = parts(name, run.settings["dropped"], run.seed, run.settings["n_samples"]).training
        labels, _, n_classes = encode(np.asarray(training.targets), np.asarray(training.targets))
        probabilities = np.empty((len(labels), n_classes))
        for i, (kept, held) in enumerate(StratifiedKFold(3).split(labels, labels)):
            known = training[kept].with_targets(labels[kept])
            found = answered(run, name, known, training[held], n_classes, part=f"-{i}")
            probabilities[held], n_parameters = found.probabilities, found.n_parameters
        losses.append(log_loss(labels, probabilities, labels=np.arange(n_classes)))
    return float(np.mean(losses)), n_parameters


# of the estimators, where a user says nothing
VARIED = {"scale": 0.1, "noise": 0.1, "stretch": 0.1, "thinning": 0.5}
QUICK: dict[str, Any] = {
    "sets": list(SETS),
    "dropped": 0.3,
    "n_samples": None,
    "scaling": {},
    "model": {"size": "tiny-shallow", "context": 4, "pooling": "mean", "queries": "independent"},
    "classifier": {},
    "pretraining": {"learning_rate": 1e-3, "average": 0.1},
    "fine_tuning": {"learning_rate": 5e-4, "average": 0.1, "label_smoothing": 0.1, "augmentation": VARIED},
    "turned": None,
    "of_set": {
        "BasicMotions": {
            "turned": {"sensors": [[0, 1, 2], [3, 4, 5]], "n_views": 8, "angle": 30.0},
            "pretraining": {"epochs": 14, "batch_size": 5},
            "fine_tuning": {"epochs": 14, "batch_size": 5},
        },
        "CharacterTrajectories": {
            "pretraining": {"epochs": 40, "batch_size": 36},
            "fine_tuning": {"epochs": 40, "batch_size": 36},
        },
        "Epilepsy": {
            "turned": {"sensors": [[0, 1, 2]], "n_views": 8, "angle": 30.0},
            "model": {"context": 8},
            "pretraining": None,
            "fine_tuning": {
                "epochs": 26,
                "batch_size": 8,
                "learning_rate": 1e-3,
                "augmentation": {**VARIED, "scale": 0.3, "stretch": 0.3},
            },
        },
        "Heartbeat": {
            "model": {"context": 8},
            "pretraining": {"epochs": 36, "batch_size": 8},
            "fine_tuning": {"epochs": 36, "batch_size": 8},
        },
        "LSST": {
            "model": {"compress": True},
            "pretraining": {"epochs": 20},
            "fine_tuning": {"epochs": 34},
        },
    },
}


def fine_tuning(rate: float, batch: int, epochs: int, clip: float, dropout: float, smoothing: float) -> dict[str, Any]:
    """A column of the paper's table."""
    return {
        "fine_tuning": {
            "learning_rate": rate,
            "batch_size": batch,
            "epochs": epochs,
            "clip": clip,
            "label_smoothing": smoothing,
        },
        "classifier": {"dropout": dropout, "drop_path": dropout},
    }


PAPER: dict[str, Any] = {
    "sets": list(SETS),
    "dropped": 0.3,
    "n_samples": None,
    "scaling": {"values": "standard", "origin": "none", "unit": 1.0},
    "model": {"size": "tiny"},
    "classifier": {},
    "turned": None,
    "pretraining": {"epochs": 400, "batch_size": 64, "learning_rate": 3e-4},
    "fine_tuning": {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.0},
    "of_set": {
        "BasicMotions": fine_tuning(1e-2, 8, 50, 1.0, 0.0, 0.0),
        "CharacterTrajectories": fine_tuning(8e-3, 16, 100, 1.0, 0.0, 0.1),
        "Epilepsy": fine_tuning(2e-3, 16, 150, 1.0, 0.2, 0.2),
        "Heartbeat": fine_tuning(2e-2, 32, 30, 2.0, 0.0, 0.0),
        "LSST": fine_tuning(3e-2, 16, 15, 10.0, 0.2, 0.1),
    },
}

EXPERIMENT = Experiment(
    name="uea",
    title="Classes of series of which steps are missing, UEA",
    source="Table 6",
    profiles={
        "quick": Profile(QUICK, 30, 2, "data: UEA; 20 minutes a set at most"),
        "paper": Profile(PAPER, 3000, 4, "data: UEA; a GPU"),
    },
    parts=every_part,
    trial={"n_samples": 40},
    references=[
        Reference("BasicMotions", METRIC, 0.9917, 0.9917, "mTAN"),
        Reference("CharacterTrajectories", METRIC, 0.9882, 0.9833, "ContiFormer"),
        Reference("Epilepsy", METRIC, 0.9517, 0.9589, "TST"),
        Reference("Heartbeat", METRIC, 0.7447, 0.7789, "mTAN"),
        Reference("LSST", METRIC, 0.6225, 0.6389, "S5"),
    ],
    validation_score=validation_score,
    together=together,
    protocol="""
The published training and test parts; of each series, in both, 30 % of the steps are left out at random, others with
every seed. A token a step with all its variates, time the only axis. Where the archive at hand lacks its test part
(that of Heartbeat does), a stratified third of the training part is held out instead, and the number bears another
name: it is not to be compared with the published one. Pre-training and fine-tuning see the training part only. Profile
`quick` has the settings of the estimators, with more passes and eight neighbours for long lines (LSST's values, which
span orders of magnitude, enter as inverse hyperbolic sines). Series of worn sensors, BasicMotions and Epilepsy, are
seen in eight versions too, turned in space by up to 30 degrees, as sensors worn a little otherwise would give them.
Epilepsy was chosen for, on thirds of its training part as the file has them (`model_selection.json`; from a script that
computes the same as `validation_score`, before its settings were in the code): there strength and tempo that vary more,
and no pre-training, did better; the number of its passes was chosen before the strength of that variation. A first run
of two seeds, with the weaker variation and half the passes, scored the same on its test part, and the estimators'
settings of before, pre-trained, more (0.983, in the result files of commit 9ac8814): what was chosen on the training
part did not carry over. Models of the other sets were trained some commits before the one that the files name.
MiniRocket sees straight lines between the steps that are left, in series of the same draws; it is measured by `python
-m reproduce.uea.minirocket`, in an environment of its own, and its seconds on BasicMotions hold the compilation of its
kernels. The models of three seeds together were asked for the test series of each draw.
""",
)
