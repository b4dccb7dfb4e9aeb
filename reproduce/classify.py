"""Pre-training followed by fine-tuning of a classifier, shared by all classification experiments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.special
from sklearn.ensemble import HistGradientBoostingClassifier

import rotary_mae as rm
from reproduce.generated import GeneratedSource
from reproduce.predictions import predict
from reproduce.run import Run

Array = npt.NDArray[Any]

TREES = "gradient boosting on summary features"


@dataclass(frozen=True)
class ClassifierResult:
    """Class probabilities of a trained classifier.

    Attributes
    ----------
    probabilities : array
        (B, classes) of the test samples.
    n_parameters : int
        Parameters of the classifier.
    seconds : float
        Seconds of pre-training and fine-tuning together.
    """

    probabilities: Array
    n_parameters: int
    seconds: float

    @property
    def classes(self) -> Array:
        """(B,) the most probable class of each sample."""
        most_probable: Array = self.probabilities.argmax(1)
        return most_probable


class SelectedSamples(GeneratedSource):
    """Samples selected from a source, optionally scaled and with other targets.

    Parameters
    ----------
    source : Source
        Source of the samples.
    index : array
        (n,) samples to take, in this order.
    targets : array, optional
        (n,) targets that replace those of the source.
    scaling : Scaling, optional
        Scaling applied to the samples.
    """

    def __init__(
        self, source: rm.Source, index: Array, targets: Array | None = None, scaling: rm.Scaling | None = None
    ) -> None:
        self.source, self.index, self.scaling = source, np.asarray(index), scaling
        self._targets = None if targets is None else np.asarray(targets)
        self._schema = source.schema if scaling is None else self[:1].schema

    @property
    def schema(self) -> Any:
        return self._schema

    @property
    def ids(self) -> Array:
        return np.asarray(self.source.ids)[self.index]

    @property
    def targets(self) -> Array | None:
        return self._targets

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, index: Any) -> rm.TokenSet:
        selected = np.arange(len(self))[index]
        tokens = self.source[self.index[selected]]
        if self.scaling is not None:
            tokens = self.scaling.apply(tokens)
        return tokens.with_targets(None if self.targets is None else self.targets[selected])


def encode(training: Array, test: Array) -> tuple[Array, Array, int]:
    """Return labels as integers.

    Parameters
    ----------
    training, test : array
        Labels of both sets.

    Returns
    -------
    tuple
        Integers of the training set, integers of the test set, and the number of classes.

    Raises
    ------
    ValueError
        If a class of the test set is not in the training set.
    """
    classes, encoded = np.unique(training, return_inverse=True)
    if unknown := sorted(set(np.unique(test).tolist()) - set(classes.tolist())):
        raise ValueError(f"no training sample has the classes {unknown} of the test set")
    return encoded, np.searchsorted(classes, test), len(classes)


@dataclass(frozen=True)
class Pretrained:
    """Initialisation of a classifier.

    Attributes
    ----------
    scaling : Scaling
        Scaling fitted to the pre-training data.
    model : RoMAEForPreTraining or None
        Pre-trained model; None without pre-training.
    seconds : float
        Seconds of pre-training.
    """

    scaling: rm.Scaling
    model: rm.RoMAEForPreTraining | None
    seconds: float


def pretrain(run: Run, name: str, source: rm.Source, settings: Mapping[str, Any]) -> Pretrained:
    """Fit the scaling to ``source`` and, unless ``settings["pretraining"]`` is None, pre-train on it."""
    scaling = rm.Scaling.fit(source, **settings["scaling"])
    if settings["pretraining"] is None:
        return Pretrained(scaling, None, 0.0)
    run.set_seed()
    model = rm.RoMAEForPreTraining(rm.RoMAEConfig(**_data_shape(scaling), **settings["model"]))
    result = run.train(f"{name}-pre-training", model, source, settings["pretraining"], scaling=scaling)
    return Pretrained(scaling, model, result.seconds)


def fine_tune(
    run: Run,
    name: str,
    init: Pretrained,
    training: rm.Source,
    test: rm.Source,
    n_classes: int,
    settings: Mapping[str, Any],
) -> ClassifierResult:
    """Train a classifier on ``training``, whose targets are integers, and predict ``test``; see ``classify``."""
    run.set_seed()
    config = rm.RoMAEConfig(**_data_shape(init.scaling), **{**settings["model"], **settings["classifier"]})
    model = rm.RoMAEForPrediction(config, outputs=n_classes)
    if init.model is not None:
        rm.transfer(init.model, model)
    result = run.train(f"{name}-fine-tuning", model, training, settings["fine_tuning"], scaling=init.scaling)
    logits = predict(model, SelectedSamples(test, np.arange(len(test)), scaling=init.scaling))
    probabilities = scipy.special.softmax(logits.astype(np.float64), axis=1)
    return ClassifierResult(probabilities, model.n_parameters(), init.seconds + result.seconds)


def classify(
    run: Run, name: str, training: rm.Source, test: rm.Source, n_classes: int, settings: Mapping[str, Any]
) -> ClassifierResult:
    """Pre-train, fine-tune, and predict.

    Parameters
    ----------
    run : Run
        Current run.
    name : str
        Prefix of the names of training folders.
    training : Source
        Training set with integers as targets.
    test : Source
        Samples to predict.
    n_classes : int
        Number of classes.
    settings : mapping
        "scaling" (arguments of ``Scaling.fit``), "model" (fields of ``RoMAEConfig``), "pretraining" and "fine_tuning"
        (fields of ``TrainingConfig``; no pre-training if the first is None), and "classifier" (fields of
        ``RoMAEConfig`` of the classifier alone, such as dropout).

    Returns
    -------
    ClassifierResult
        Probabilities of the test samples.
    """
    init = pretrain(run, name, training, settings)
    return fine_tune(run, name, init, training, test, n_classes, settings)


def _data_shape(scaling: rm.Scaling) -> dict[str, Any]:
    schema = scaling.schema
    return {"n_values": len(schema.roles), "n_axes": len(schema.axes), "n_predicted": schema.n_predicted}


def boosted_trees(training: Array, labels: Array, test: Array, n_classes: int, seed: int) -> Array:
    """Return (B, classes) probabilities by gradient boosting on (n, F) features.

    The settings are the defaults of scikit-learn, but smaller leaves and L2 regularisation. Without regularisation, the
    leaf values of a rare class grow without bound: on LSST that was worse than always predicting the largest class.
    """
    trees = HistGradientBoostingClassifier(min_samples_leaf=5, l2_regularization=1.0, random_state=seed)
    trees.fit(training, labels)
    probabilities = np.zeros((len(test), n_classes))
    probabilities[:, trees.classes_] = trees.predict_proba(test)
    return probabilities


def settings_of_dataset(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the settings overridden by those of ``settings["of_set"][name]``, one level deep; None replaces all."""
    own = settings["of_set"].get(name, {})
    merged = {key: None if more is None else {**(settings[key] or {}), **more} for key, more in own.items()}
    return {**settings, **merged}
