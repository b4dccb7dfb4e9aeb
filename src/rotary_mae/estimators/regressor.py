"""RoMAERegressor: one or several numbers of whole samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from torch import Tensor

from rotary_mae._warnings import warn_caller
from rotary_mae.batches.batch import TokenBatch
from rotary_mae.data.sources import Source, Subset
from rotary_mae.estimators._fit.defaults import REGRESS, mean_length
from rotary_mae.estimators._fit.initialization import pretrain, scaling_for
from rotary_mae.estimators._fit.restore import restore_on_failure
from rotary_mae.estimators._fit.split import split_validation, weights_of, without_validation
from rotary_mae.estimators._predict.batched import predict_batched
from rotary_mae.estimators._predict.distribution import Statistics, mixture_moments
from rotary_mae.estimators.embedder import RoMAEEmbedder
from rotary_mae.estimators.estimator import RoMAEEstimator
from rotary_mae.estimators.labels import (
    LabelledSubset,
    groups_for,
    numeric_targets,
    required_labels,
    values_for,
)
from rotary_mae.evaluation.baselines import BaselineComparison
from rotary_mae.evaluation.conformal import Calibration
from rotary_mae.evaluation.conformal_residuals import NOT_CALIBRATED, fit_on_residuals
from rotary_mae.evaluation.fit_summary import NOT_VALIDATED, FitSummary
from rotary_mae.evaluation.metrics import prediction_metrics
from rotary_mae.models.predictor import RoMAEForPrediction

Array = npt.NDArray[Any]


class RoMAERegressor(RegressorMixin, RoMAEEstimator):
    """Regressor of one or several numbers of whole samples, fine-tuned from ``init`` or trained from scratch.

    Numbers may be missing (None, NaN or pandas' NA). Without ``init`` a model is then pre-trained on all samples but
    those of the validation set, and fine-tuned on those that have numbers. With ``init`` the others are not used.

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
    n_estimators : int, default=1
        Number of models, trained from different seeds on the same training set. They predict the mixture of their
        normal distributions.
    early_stopping : bool, default=True
        Stop if the validation loss has not improved for many evaluations. It needs 100 validation samples.
    max_minutes : float, optional
        Time limit of ``fit`` in minutes. The speed is measured first, and the schedule is shortened if necessary. Two
        fits with a limit may therefore differ in the number of updates and in their weights; a resumed run keeps the
        number.
    training : mapping, optional
        Further fields of ``TrainingConfig`` by name; ``augmentation`` may be an ``Augmentation``. By default weights
        are averaged, and series are thinned (``{"augmentation": {}}`` turns it off).
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
    target_mean_ : array of float, shape (k,)
        Mean of the targets, weighted by ``sample_weight``.
    target_scale_ : array of float, shape (k,)
        Standard deviation of the targets; 1 where they are all equal.
    calibration_ : Calibration
        Quantiles of the standardised errors on the validation set, number by number. Without a validation set standard
        deviations and quantiles are NaN. None if an earlier version saved the estimator.
    std_factor_ : array of float, shape (k,)
        Factor of the standard deviations of the model, so that their 90 % intervals are the calibrated ones.
    is_single_ : bool
        True if ``y`` had shape (n,).
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
    >>> import numpy as np
    >>> import rotary_mae as rm
    >>> X = np.random.default_rng(0).normal(size=(40, 2, 10))
    >>> regressor = rm.RoMAERegressor(size="tiny-shallow", epochs=1, random_state=0).fit(X, X[:, 0].mean(axis=1))
    >>> mean, std = regressor.predict(X, return_std=True)
    >>> mean.shape, std.shape
    ((40,), (40,))
    """

    predicts_targets: ClassVar[bool] = True

    model_: RoMAEForPrediction
    models_: list[RoMAEForPrediction]
    target_mean_: Array
    target_scale_: Array
    calibration_: Calibration | None = None
    std_factor_: Array
    is_single_: bool

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
        """Train on samples and their numbers.

        Parameters
        ----------
        X : TokenSet, Source, data frame, array, or list of arrays
            B samples.
        y : array, shape (B,) or (B, k), mapping, Series, or None
            Numbers: in the order of the samples, or keyed by id. None takes the targets of the samples. None, NaN or NA
            for a sample without numbers.
        sample_weight : array, shape (B,), mapping or Series, optional
            Weights of the samples in the loss, at least 0; in the order of the samples, or keyed by id as ``y``.
        groups : array, shape (B,), mapping or Series, optional
            Groups of samples that the validation split does not divide; in the order of the samples, or keyed by id.

        Returns
        -------
        RoMAERegressor
            The estimator itself.

        Raises
        ------
        ValueError
            If samples, numbers or parameters are not valid, or do not fit ``init``.
        FileExistsError
            If ``out`` holds another run.
        KeyboardInterrupt
            If training was interrupted. The estimator is then as before, and ``out`` can be resumed.
        """
        all_samples, initial = self._start_fit(X)
        labels = required_labels(all_samples, X, y, "regressor")
        groups = groups_for(all_samples, X, groups)
        sample_weight = values_for(all_samples, X, sample_weight, "sample_weight")
        labelled = LabelledSubset.of(all_samples, labels, sample_weight, groups)
        source, seed = labelled.source, self._draw_seed()
        targets = numeric_targets(labelled.labels)
        self.is_single_ = targets.ndim == 1
        targets = targets.reshape(len(targets), -1)
        split = split_validation(len(source), self.validation_fraction, seed, groups=labelled.groups)
        scaled_targets = self._scale_targets(targets, split.training, labelled.weights)
        if labelled.n_missing and initial is None:
            others = without_validation(all_samples, labelled.indices[split.validation], groups)
            initial = pretrain(RoMAEEmbedder, self.get_params(), *others, seed)
        training = Subset(source, split.training)
        scaling = scaling_for(training, initial, self.unit)
        config = self._model_config(scaling, initial, mean_length(training), distribution="gaussian")
        model = self._new_model(lambda: RoMAEForPrediction(config, outputs=targets.shape[1]), seed, initial)
        self._train(
            model,
            Subset(source, np.arange(len(source)), scaled_targets),
            split,
            scaling,
            REGRESS,
            seed,
            sample_weight=labelled.weights,
            initial=initial,
            prepare_baselines=partial(
                BaselineComparison.prepare, source, split.training, split.validation, targets, labelled.weights, seed
            ),
        )
        self.validation_idx_ = labelled.indices[split.validation]
        validation, weights = Subset(source, split.validation), weights_of(labelled.weights, split.validation)
        self._finish(self._validation_summary(validation, targets[split.validation], weights))
        return self

    def _scale_targets(
        self, targets: Array, training: npt.NDArray[np.int64], weights: Array | None
    ) -> npt.NDArray[np.float32]:
        """Fit the scaling of targets (n, k) to those of the training set, and return all of them scaled."""
        fitted, weights = targets[training], weights_of(weights, training)
        self.target_mean_ = np.average(fitted, 0, weights)
        std = np.sqrt(np.average(np.square(fitted - self.target_mean_), 0, weights))
        self.target_scale_ = np.where(std > 0, std, 1.0)
        self.calibration_ = Calibration.uncalibrated(targets.shape[1])
        self.std_factor_ = np.ones(targets.shape[1])
        return ((targets - self.target_mean_) / self.target_scale_).astype(np.float32)

    def _validation_summary(self, validation: Source, targets: Array, weights: Array | None) -> FitSummary:
        """Calibrate on the errors on the validation set, and return the scores on it."""
        if not len(validation):
            return NOT_VALIDATED
        mean, std = self._mean_and_std(validation)
        if self._predicts_std:
            self.calibration_ = fit_on_residuals(targets - mean, std, weights)
            self.std_factor_ = self.calibration_.scale
        return FitSummary(len(validation), prediction_metrics(mean, targets))

    def predict(self, X: Any, return_std: bool = False, *, quantiles: Sequence[float] | None = None) -> Any:
        """Predict the numbers of samples.

        Parameters
        ----------
        X : TokenSet, Source, data frame, array, or list of arrays
            B samples, as in ``fit``.
        return_std : bool, default=False
            Return standard deviations too: of normal distributions with the calibrated central 90 % intervals.
        quantiles : sequence of float, optional
            Probabilities in (0, 1) of the quantiles to return instead. They are calibrated on the validation set.

        Returns
        -------
        array of float64, shape (B,) or (B, k), tuple of two such arrays, or list of them
            Predictions in the units and the shape of ``y``; with ``return_std`` predictions and standard deviations;
            with ``quantiles`` one array for each. Without a validation set the latter are NaN, with a warning.

        Raises
        ------
        ValueError
            If ``quantiles`` are not valid, or the regressor was fitted with ``model=dict(distribution="point")``.
        """
        statistics = Statistics(return_std, quantiles)
        if statistics.are_calibrated and not self._predicts_std:
            raise ValueError(
                "this regressor was fitted with distribution='point', without standard deviation; fit one with "
                "distribution='gaussian', the default"
            )
        mean, std = self._mean_and_std(self._source(X))
        calibration = self.calibration_ or Calibration.uncalibrated(mean.shape[1])
        if statistics.are_calibrated and self.calibration_ is not None and not any(calibration.n_values):
            warn_caller(NOT_CALIBRATED)
            std = np.full(std.shape, np.nan)
        if quantiles is not None:
            unit = std / calibration.scale  # the standard deviation that the model predicts
            return self._in_shape_of_y([mean + unit * calibration.standard_quantile(q) for q in quantiles])
        return tuple(self._in_shape_of_y([mean, std])) if return_std else self._in_shape_of_y([mean])[0]

    def _in_shape_of_y(self, predictions: list[Array]) -> list[Array]:
        return [predicted[:, 0] for predicted in predictions] if self.is_single_ else predictions

    @property
    def _predicts_std(self) -> bool:
        return self.model_.config.distribution == "gaussian"

    def _mean_and_std(self, source: Source) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return (B, k) means and standard deviations; of an ensemble those of the mixture of its members."""
        members = [
            predict_batched(model, source, self.scaling_, _moments_of(model), self.device, bool(self.verbose))
            for model in self.models_
        ]
        means, stds = np.split(np.asarray(members, np.float64), 2, axis=2)
        mean, std = mixture_moments(means, stds)
        return mean * self.target_scale_ + self.target_mean_, std * self.target_scale_ * self.std_factor_

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return R^2 on the samples that have numbers.

        Parameters
        ----------
        X : TokenSet, Source, data frame, array, or list of arrays
            B samples, as in ``fit``.
        y : array, shape (B,) or (B, k), mapping, Series, or None
            Numbers, as in ``fit``.
        sample_weight : array, shape (B,), mapping or Series, optional
            Weights of the samples, as in ``fit``.

        Returns
        -------
        float
            R^2, at most 1; of several numbers the mean.
        """
        source = self._source(X)
        labels = required_labels(source, X, y, "score of a regressor")
        labelled = LabelledSubset.of(source, labels, values_for(source, X, sample_weight, "sample_weight"), None)
        mean, _ = self._mean_and_std(labelled.source)
        return float(r2_score(labelled.labels, mean.reshape(labelled.labels.shape), sample_weight=labelled.weights))


def _moments_of(model: RoMAEForPrediction) -> Callable[[TokenBatch], Tensor]:
    """Return a function that predicts (b, 2 * k): means, then standard deviations, 0 if the model predicts none."""

    def predict(batch: TokenBatch) -> Tensor:
        output = model(batch)
        return torch.cat((output.logits, torch.zeros_like(output.logits) if output.std is None else output.std), 1)

    return predict
