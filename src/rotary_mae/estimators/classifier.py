"""RoMAEClassifier: classes of whole samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.multiclass import check_classification_targets
from torch import Tensor

from rotary_mae.batches.batch import TokenBatch
from rotary_mae.data.sources import Source, Subset
from rotary_mae.estimators._fit.defaults import CLASSIFY, mean_length
from rotary_mae.estimators._fit.initialization import pretrain, scaling_for
from rotary_mae.estimators._fit.restore import restore_on_failure
from rotary_mae.estimators._fit.split import loss_weights, split_validation, weights_of, without_validation
from rotary_mae.estimators._predict.batched import predict_batched
from rotary_mae.estimators.embedder import RoMAEEmbedder
from rotary_mae.estimators.estimator import RoMAEEstimator
from rotary_mae.estimators.labels import LabelledSubset, groups_for, required_labels, values_for
from rotary_mae.evaluation.baselines import BaselineComparison
from rotary_mae.evaluation.fit_summary import NOT_VALIDATED, FitSummary
from rotary_mae.evaluation.metrics import prediction_metrics, probability_metrics
from rotary_mae.evaluation.temperature import fit_temperature
from rotary_mae.models.predictor import RoMAEForPrediction

Array = npt.NDArray[Any]

# Scores of the summary besides those of probabilities; the first decides whether a baseline is better.
SUMMARY_METRICS = ("balanced_accuracy", "accuracy")


class RoMAEClassifier(ClassifierMixin, RoMAEEstimator):
    """Classifier of whole samples, fine-tuned from ``init`` or trained from scratch.

    Labels may be missing (None, NaN or pandas' NA; -1 is a class). Without ``init`` a model is then pre-trained on all
    samples but those of the validation set, and fine-tuned on the labelled ones. With ``init`` samples without a label
    are not used.

    Parameters
    ----------
    columns : mapping, optional
        Names of the columns of data frames: arguments of ``from_frame``, such as ``dict(id="object_id", time="mjd")``.
    layout : {"auto", "measurements", "steps"}, default="auto"
        Layout of the tokens that are made from frames and arrays (see ``from_frame``). Later data have the layout of
        the fit.
    unit : float or "auto", default="auto"
        Distance in time, in the unit of the data, that becomes 1 in the model. "auto" takes the typical distance
        between measurements.
    validation_fraction : float, default=0.1
        Fraction of the samples in the validation set, in [0, 1). Below 20 samples there is none. From 100 validation
        samples on, it selects the epoch whose weights are taken; else the averaged last weights are taken.
    init : estimator, path, model, or None, default=None
        Source of the initial weights: a fitted estimator, a run folder, a repository of the Hugging Face Hub
        ("owner/name"), or a model. None makes a new model with random weights.
    size : {"tiny-shallow", "tiny", "small", "base", "large"}, optional
        Size of a new model; an error if ``init`` has another size. Default: "tiny" on a GPU, "tiny-shallow" on a CPU.
    context : int, optional
        Neighbours on each side, in the same channel, that a token is projected with (see ``RoMAEConfig``); 0 is the
        model of the paper. Default: that of ``init``; else 4 for series (8 if channel series have 128 measurements or
        more), and 0 for patches.
    dropout : float, optional
        Dropout of attention scores and of the MLP, in [0, 1). Default: that of ``init``, else 0.
    model : mapping, optional
        Further fields of ``RoMAEConfig`` by name; ``decoder`` may be a ``DecoderConfig``. By default samples are pooled
        by the mean of their tokens; ``{"pooling": "cls"}`` takes the CLS token.
    epochs : int, optional
        Epochs of training. Default: chosen from number and length of the samples, so that on two CPU cores a few
        hundred series take minutes, and 50 000 series of 100 tokens less than an hour.
    learning_rate : float, optional
        Peak learning rate. Default: chosen from the width of the model, and lower with ``init``.
    batch_size : int, optional
        Samples in a batch. Default: chosen from number and length of the samples.
    class_weight : mapping, "balanced", or None, default=None
        Weight of each class in the loss. "balanced" gives all classes the same total weight. Probabilities are then
        those of a population in which each class is as frequent as its weight makes it (see docs/uncertainty.md).
    n_estimators : int, default=1
        Number of models, trained from different seeds on the same training set. Their probabilities are averaged.
    early_stopping : bool, default=True
        Stop if the validation loss has not improved for many evaluations. It needs 100 validation samples.
    max_minutes : float, optional
        Time limit of ``fit`` in minutes. The speed is measured first, and the schedule is shortened if necessary. Two
        fits with a limit may therefore differ in the number of updates and in their weights; a resumed run keeps the
        number.
    training : mapping, optional
        Further fields of ``TrainingConfig`` by name; ``augmentation`` may be an ``Augmentation``. By default weights
        are averaged, labels are smoothed by 0.1, and series are augmented (``{"augmentation": {}}`` turns it off).
    precision : {"fp32", "bf16"}, default="fp32"
        Precision of training; "bf16" is faster on GPUs that support it.
    compile : bool, default=False
        Compile the token-wise parts of the model before training.
    device : str, default="auto"
        "cpu", "cuda", "cuda:N", or "auto" for a GPU if there is one.
    random_state : int, RandomState, or None, default=None
        Seed of everything random. With an int, fits on a CPU are equal to the bit.
    verbose : int, default=0
        1 shows a progress bar with loss, learning rate and remaining time, and prints the summary at the end.
    out : path, optional
        Folder for metrics, checkpoints and the fitted estimator.
    resume : bool, default=False
        Resume the run in ``out``. On a CPU the result is as if it had not been stopped.

    Attributes
    ----------
    classes_ : array, shape (n_classes,)
        Labels of the classes in ascending order.
    temperature_ : float
        Divisor of the logits, fitted on the validation set so that probabilities are calibrated (see
        ``fit_temperature``). 1 without a validation set: label smoothing then leaves probabilities too close to equal.
    model_ : RoMAEForPrediction
        The trained model; of an ensemble the first.
    models_ : list of RoMAEForPrediction
        All members of the ensemble.
    scaling_ : Scaling
        Scaling of values and positions that was fitted to the data.
    training_ : TrainingResult
        Metrics by epoch, number of updates and seconds of the training of ``model_``. Not saved.
    transfer_ : TransferReport or None
        Weights that were copied from ``init``; None without ``init``. Not saved.
    validation_idx_ : array of int, shape (n_validation,)
        Indices of the validation samples among the samples of ``fit``. Not saved.
    summary_ : FitSummary
        Scores on the validation set; see ``compare_with_baselines``.
    profile_ : DataProfile or None
        Typical units, time steps and channels of the samples of ``fit``. Data to predict that differ cause a
        ``DataShiftWarning``.

    Notes
    -----
    All methods take samples as a TokenSet or another Source, a data frame (with ``columns``), an array
    (n, channels, times) or (n, times) with NaN for values that were not observed, or a list of arrays
    (channels, times).

    Examples
    --------
    >>> import rotary_mae as rm
    >>> tokens = rm.simulate_light_curves(40)  # with classes as targets
    >>> classifier = rm.RoMAEClassifier(size="tiny-shallow", epochs=1, random_state=0).fit(tokens)
    >>> classifier.predict_proba(tokens).shape
    (40, 4)
    """

    predicts_targets: ClassVar[bool] = True

    class_weight: Mapping[Any, float] | Literal["balanced"] | None
    model_: RoMAEForPrediction
    models_: list[RoMAEForPrediction]
    classes_: Array
    temperature_: float = 1.0

    def __init__(
        self,
        *,
        # data
        columns: Mapping[str, Any] | None = None,
        layout: Literal["auto", "measurements", "steps"] = "auto",
        unit: float | Literal["auto"] = "auto",
        validation_fraction: float = 0.1,
        # model
        init: Any = None,
        size: str | None = None,
        context: int | None = None,
        dropout: float | None = None,
        model: Mapping[str, Any] | None = None,
        # training
        epochs: int | None = None,
        learning_rate: float | None = None,
        batch_size: int | None = None,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        n_estimators: int = 1,
        early_stopping: bool = True,
        max_minutes: float | None = None,
        training: Mapping[str, Any] | None = None,
        # runtime
        precision: Literal["fp32", "bf16"] = "fp32",
        compile: bool = False,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        out: str | Path | None = None,
        resume: bool = False,
    ) -> None:
        self.columns = columns
        self.layout = layout
        self.unit = unit
        self.validation_fraction = validation_fraction
        self.init = init
        self.size = size
        self.context = context
        self.dropout = dropout
        self.model = model
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.class_weight = class_weight
        self.n_estimators = n_estimators
        self.early_stopping = early_stopping
        self.max_minutes = max_minutes
        self.training = training
        self.precision = precision
        self.compile = compile
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.out = out
        self.resume = resume

    @restore_on_failure
    def fit(self, X: Any, y: Any = None, *, sample_weight: Any = None, groups: Any = None) -> Self:
        """Train on samples and their labels.

        Parameters
        ----------
        X : TokenSet, Source, data frame, array, or list of arrays
            B samples.
        y : array, shape (B,), mapping, Series, or None
            Labels: in the order of the samples, or keyed by id. None takes the targets of the samples. None, NaN or NA
            for a sample without a label.
        sample_weight : array, shape (B,), mapping or Series, optional
            Weights of the samples in the loss, at least 0; in the order of the samples, or keyed by id as ``y``.
        groups : array, shape (B,), mapping or Series, optional
            Groups of samples that the validation split does not divide; in the order of the samples, or keyed by id.

        Returns
        -------
        RoMAEClassifier
            The estimator itself.

        Raises
        ------
        ValueError
            If samples, labels or parameters are not valid, or do not fit ``init``.
        FileExistsError
            If ``out`` holds another run.
        KeyboardInterrupt
            If training was interrupted. The estimator is then as before, and ``out`` can be resumed.
        """
        all_samples, initial = self._start_fit(X)
        labels = required_labels(all_samples, X, y, "classifier")
        groups = groups_for(all_samples, X, groups)
        sample_weight = values_for(all_samples, X, sample_weight, "sample_weight")
        labelled = LabelledSubset.of(all_samples, labels, sample_weight, groups)
        source, seed = labelled.source, self._draw_seed()
        _check_labels(labelled.labels)
        self.classes_, class_idx = np.unique(labelled.labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"a classifier needs at least two classes, got one class: {self.classes_[0]}")
        split = split_validation(len(source), self.validation_fraction, seed, class_idx, labelled.groups)
        if labelled.n_missing and initial is None:
            others = without_validation(all_samples, labelled.indices[split.validation], groups)
            initial = pretrain(RoMAEEmbedder, self.get_params(), *others, seed)
        training = Subset(source, split.training)
        scaling = scaling_for(training, initial, self.unit)
        config = self._model_config(scaling, initial, mean_length(training), distribution="point")
        model = self._new_model(lambda: RoMAEForPrediction(config, outputs=len(self.classes_)), seed, initial)
        weights = loss_weights(self.class_weight, self.classes_, class_idx, split.training, labelled.weights)
        self.temperature_ = 1.0
        self._train(
            model,
            Subset(source, np.arange(len(source)), class_idx),
            split,
            scaling,
            CLASSIFY,
            seed,
            sample_weight=weights,
            initial=initial,
            prepare_baselines=partial(
                BaselineComparison.prepare, source, split.training, split.validation, class_idx, weights, seed
            ),
        )
        self.validation_idx_ = labelled.indices[split.validation]
        validation, of_validation = Subset(source, split.validation), weights_of(weights, split.validation)
        self._finish(self._validation_summary(validation, class_idx[split.validation], of_validation))
        return self

    def _validation_summary(
        self, validation: Source, class_idx: npt.NDArray[np.int64], weights: Array | None
    ) -> FitSummary:
        """Fit ``temperature_`` to the validation set, and return the scores on it."""
        if not len(validation):
            return NOT_VALIDATED
        logits = self._log_probabilities(validation)
        smoothing = (self.training or {}).get("label_smoothing", CLASSIFY.label_smoothing)
        self.temperature_ = fit_temperature(logits, class_idx, weights, smoothing)
        metrics = prediction_metrics(logits, class_idx)
        scores = {name: metrics[name] for name in SUMMARY_METRICS}
        probabilities = softmax(logits.astype(np.float64) / self.temperature_, axis=1)
        return FitSummary(len(validation), scores | probability_metrics(probabilities, class_idx))

    def decision_function(self, X: Any) -> npt.NDArray[np.float32]:
        """Return the logits of samples, of which the softmax is ``predict_proba``.

        Parameters
        ----------
        X : TokenSet, Source, data frame, array, or list of arrays
            B samples, as in ``fit``.

        Returns
        -------
        array of float32, shape (B, n_classes) or (B,)
            Logits in the order of ``classes_``; for two classes the logit of the second minus that of the first.
        """
        logits = self._log_probabilities(self._source(X))
        if len(self.classes_) > 2:
            return logits
        difference: npt.NDArray[np.float32] = logits[:, 1] - logits[:, 0]
        return difference

    def _log_probabilities(self, source: Source) -> npt.NDArray[np.float32]:
        """Return the (B, n_classes) logits over ``temperature_``; of an ensemble those of the mean probabilities."""
        logits = [
            predict_batched(model, source, self.scaling_, _logits_of(model), self.device, bool(self.verbose))
            for model in self.models_
        ]
        log_probabilities = logits[0]
        if len(logits) > 1:
            probabilities = np.mean([softmax(member.astype(np.float64), axis=1) for member in logits], axis=0)
            log_probabilities = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
        scaled: npt.NDArray[np.float32] = (log_probabilities / self.temperature_).astype(np.float32)
        return scaled

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the probabilities of the classes; of an ensemble the mean of its members.

        Parameters
        ----------
        X : TokenSet, Source, data frame, array, or list of arrays
            B samples, as in ``fit``.

        Returns
        -------
        array of float64, shape (B, n_classes)
            Probabilities in the order of ``classes_``.
        """
        logits = self._log_probabilities(self._source(X)).astype(np.float64)
        probabilities: npt.NDArray[np.float64] = softmax(logits, axis=1)
        return probabilities

    def predict(self, X: Any) -> Array:
        """Return the most probable class of each sample.

        Parameters
        ----------
        X : TokenSet, Source, data frame, array, or list of arrays
            B samples, as in ``fit``.

        Returns
        -------
        array, shape (B,)
            Labels of the type of ``classes_``.
        """
        return self._most_probable(self._source(X))

    def _most_probable(self, source: Source) -> Array:
        predicted: Array = self.classes_[self._log_probabilities(source).argmax(1)]
        return predicted

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the accuracy on the samples that have a label.

        Parameters
        ----------
        X : TokenSet, Source, data frame, array, or list of arrays
            B samples, as in ``fit``.
        y : array, shape (B,), mapping, Series, or None
            Labels, as in ``fit``.
        sample_weight : array, shape (B,), mapping or Series, optional
            Weights of the samples, as in ``fit``.

        Returns
        -------
        float
            Accuracy in [0, 1].
        """
        source = self._source(X)
        labels = required_labels(source, X, y, "score of a classifier")
        labelled = LabelledSubset.of(source, labels, values_for(source, X, sample_weight, "sample_weight"), None)
        predicted = self._most_probable(labelled.source)
        return float(accuracy_score(labelled.labels, predicted, sample_weight=labelled.weights))


def _check_labels(labels: Array) -> None:
    if labels.ndim > 1:
        raise ValueError(f"a classifier needs one label a sample, (n,), got {labels.shape}; train one for each column")
    if labels.dtype.kind in "mM":
        raise ValueError(f"labels must be text, whole numbers or bools, got {labels.dtype}; convert them to text")
    check_classification_targets(labels)


def _logits_of(model: RoMAEForPrediction) -> Callable[[TokenBatch], Tensor]:
    return lambda batch: model(batch).logits
