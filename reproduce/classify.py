"""Pre-training and then a classifier, as every experiment that tells classes apart does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.special
from sklearn.ensemble import HistGradientBoostingClassifier

import rotary_mae as rm
from reproduce.predictions import predictions
from reproduce.run import Run

Array = npt.NDArray[Any]

TREES = "gradient boosting on simple features"


@dataclass(frozen=True)
class ClassifierResult:
    """probabilities: (B, classes) of what was asked. seconds: of both trainings."""

    probabilities: Array
    n_parameters: int
    seconds: float

    @property
    def classes(self) -> Array:
        """(B,) the likeliest class of each."""
        likeliest: Array = self.probabilities.argmax(1)
        return likeliest


class SelectedSamples:
    """Some samples of a source, with other targets and scaled, made when they are asked for: a Source."""

    def __init__(
        self, source: rm.Source, index: Array, targets: Array | None = None, scaling: rm.Scaling | None = None
    ) -> None:
        self.source, self.index, self.scaling = source, np.asarray(index), scaling
        self.targets = None if targets is None else np.asarray(targets)
        self.schema = source.schema if scaling is None else self[:1].schema

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, index: Any) -> rm.TokenSet:
        which = np.arange(len(self))[index]
        tokens = self.source[self.index[which]]
        if self.scaling is not None:
            tokens = self.scaling.apply(tokens)
        return tokens.with_targets(None if self.targets is None else self.targets[which])


def encode(training: Array, test: Array) -> tuple[Array, Array, int]:
    """Labels as whole numbers, by the classes of the training part, and how many there are.

    Raises ValueError for a class that only the test part has.
    """
    classes, encoded = np.unique(training, return_inverse=True)
    if unknown := sorted(set(np.unique(test).tolist()) - set(classes.tolist())):
        raise ValueError(f"no training sample has the classes {unknown} of the test part")
    return encoded, np.searchsorted(classes, test), len(classes)


@dataclass(frozen=True)
class Start:
    """Where a classifier starts from. model: None, where nothing was pre-trained. seconds: of pre-training."""

    scaling: rm.Scaling
    model: rm.RoMAEForPreTraining | None
    seconds: float


def pretrain(run: Run, name: str, source: rm.Source, settings: Mapping[str, Any]) -> Start:
    """Fit the scaling to ``source`` and, unless ``settings["pretraining"]`` is None, pre-train on it."""
    scaling = rm.Scaling.fit(source, **settings["scaling"])
    if settings["pretraining"] is None:
        return Start(scaling, None, 0.0)
    run.set_seed()
    model = rm.RoMAEForPreTraining(rm.RoMAEConfig(**_shape(scaling), **settings["model"]))
    result = run.train(f"{name}-pre-training", model, source, settings["pretraining"], scaling=scaling)
    return Start(scaling, model, result.seconds)


def fine_tune(
    run: Run,
    name: str,
    start: Start,
    training: rm.Source,
    asked: rm.Source,
    n_classes: int,
    settings: Mapping[str, Any],
) -> ClassifierResult:
    """Train a classifier on ``training``, which has whole numbers as targets, and answer; see ``classify``."""
    run.set_seed()
    config = rm.RoMAEConfig(**_shape(start.scaling), **{**settings["model"], **settings["classifier"]})
    model = rm.RoMAEForPrediction(config, outputs=n_classes)
    if start.model is not None:
        rm.transfer(start.model, model)
    result = run.train(f"{name}-fine-tuning", model, training, settings["fine_tuning"], scaling=start.scaling)
    logits = predictions(model, SelectedSamples(asked, np.arange(len(asked)), scaling=start.scaling))
    probabilities = scipy.special.softmax(logits.astype(np.float64), axis=1)
    return ClassifierResult(probabilities, model.n_parameters(), start.seconds + result.seconds)


def classify(
    run: Run, name: str, training: rm.Source, asked: rm.Source, n_classes: int, settings: Mapping[str, Any]
) -> ClassifierResult:
    """Pre-train, fine-tune, and answer.

    training: with whole numbers as targets. settings: "scaling" (of ``Scaling.fit``), "model" (of ``RoMAEConfig``),
    "pretraining" and "fine_tuning" (of ``TrainingConfig``; nothing is pre-trained where the first is None), and
    "classifier": what its model has instead of what "model" says, such as dropout.
    """
    start = pretrain(run, name, training, settings)
    return fine_tune(run, name, start, training, asked, n_classes, settings)


def _shape(scaling: rm.Scaling) -> dict[str, int]:
    schema = scaling.schema
    return {"n_values": len(schema.roles), "n_axes": len(schema.axes), "n_predicted": schema.n_predicted}


def boosted_trees(known: Array, labels: Array, asked: Array, n_classes: int, seed: int) -> Array:
    """(B, classes) probabilities by gradient boosting on (n, F) features, scikit-learn's settings but smaller, shrunk leaves.

    Where a class is rare, leaves that nothing shrinks grow beyond all bounds: on LSST they lost to the largest class.
    """
    trees = HistGradientBoostingClassifier(min_samples_leaf=5, l2_regularization=1.0, random_state=seed)
    trees.fit(known, labels)
    probabilities = np.zeros((len(asked), n_classes))
    probabilities[:, trees.classes_] = trees.predict_proba(asked)
    return probabilities


def merged(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Settings with those of ``settings["of_set"][name]`` over them, one level deep; None there replaces all."""
    over = settings["of_set"].get(name, {})
    both = {key: None if more is None else {**(settings[key] or {}), **more} for key, more in over.items()}
    return {**settings, **both}
