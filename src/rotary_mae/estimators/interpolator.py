"""RoMAEInterpolator: values at any position, with calibrated intervals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from rotary_mae.batches.masking import Masking, Strategy
from rotary_mae.data.alignment import without_channels
from rotary_mae.data.sources import Source, Subset
from rotary_mae.estimators._fit.default_masking import (
    EVALUATED_FRACTION,
    calibration_masking,
    given_masking,
    is_open,
    masking_for,
)
from rotary_mae.estimators._fit.defaults import INTERPOLATE
from rotary_mae.estimators._fit.initialization import scaling_for
from rotary_mae.estimators._fit.restore import restore_on_failure
from rotary_mae.estimators._fit.split import TrainValidationSplit, split_validation
from rotary_mae.estimators._predict.batched import length_sorted_batches
from rotary_mae.estimators._predict.masked import masked_summary, reconstruction_metrics
from rotary_mae.estimators.inputs import by_value
from rotary_mae.estimators.interpolation import Interpolation
from rotary_mae.estimators.labels import groups_for
from rotary_mae.evaluation.conformal import Calibration, HeldOut, count_channels
from rotary_mae.evaluation.conformal_scores import calibration_series, fit_on_masked_values, withhold_values
from rotary_mae.models.autoencoder import RoMAEForPreTraining

Array = npt.NDArray[Any]

# Calibration needs at least this many series, because fewer do not determine the width of intervals; but at most this
# fraction of all. Not tuned.
MIN_CALIBRATION_SERIES, MAX_CALIBRATION_FRACTION = 40, 0.25


class RoMAEInterpolator(Interpolation):
    """Interpolator that predicts values at any positions, with calibrated intervals.

    It is trained to predict masked observations. A prediction depends on the observations of its sample alone, and not
    on the other queries.

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
    hiding : str, Masking, or mapping, default="auto"
        Masking of training. Choose what prediction will meet. "uniform": single values. "times": all values of some
        times. "auto": single values; if channels are measured at the same times, half of the samples have "times"
        instead, and half draw the fraction that is masked. "block": gaps. "channel": whole channels. "future":
        forecasts; half of the samples draw where their forecast starts, within the last ``hiding_fraction`` of their
        tokens, the others have the longest. A ``Masking`` or a mapping of its fields replaces ``hiding_fraction`` too.
    hiding_fraction : float, default=0.5
        Fraction of the tokens that are masked if ``hiding`` is a text, in (0, 1]; for "future" the largest.
    n_estimators : int, default=1
        Number of models, trained from different seeds on the same training set. They predict the mixture of their
        normal distributions, which is wider where they disagree.
    early_stopping : bool, default=True
        Stop if the validation loss has not improved for many evaluations. It needs 100 validation samples.
    max_minutes : float, optional
        Time limit of ``fit`` in minutes. The speed is measured first, and the schedule is shortened if necessary. Two
        fits with a limit may therefore differ in the number of updates and in their weights; a resumed run keeps the
        number.
    training : mapping, optional
        Further fields of ``TrainingConfig`` by name; ``augmentation`` may be an ``Augmentation``. A ``Masking`` or
        mapping under ``hiding`` replaces the parameters above. By default weights are averaged.
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
    calibration_ : Calibration
        Quantiles of standardised errors of each channel, and of queries with similar surroundings, on values that were
        masked as in training. ``held_out`` names those values: "series" is the validation set, of at least 40 series up
        to a quarter of all. It is not used in training, except for early stopping from 100 series on. "values" is a
        seventh of the values of each series, without a validation set. "nothing" is the training set, if
        ``validation_fraction`` is 0: intervals are too narrow where the model has learned these series by heart.
    model_ : RoMAEForPreTraining
        The trained model; of an ensemble the first.
    models_ : list of RoMAEForPreTraining
        All members of the ensemble.
    scaling_ : Scaling
        Scaling of values and positions that was fitted to the data.
    training_ : TrainingResult
        Metrics by epoch, number of updates and seconds of the training of ``model_``. Not saved.
    transfer_ : TransferReport or None
        Weights that were copied from ``init``; None without ``init``. Not saved.
    validation_idx_ : array of int, shape (n_validation,)
        Indices of the validation samples among the samples of ``fit``. Not saved.
    masking_ : Masking
        Masking of training that ``hiding`` led to.
    summary_ : FitSummary
        Scores on the validation set; see ``compare_with_baselines``. For ``hiding="auto"`` a tenth of the values is
        masked there, and else as in training.
    profile_ : DataProfile or None
        Typical units, time steps and channels of the samples of ``fit``. Data to predict that differ cause a
        ``DataShiftWarning``.

    Notes
    -----
    With ``layout="auto"`` frames and arrays of several channels have a token for each value, so that single values can
    be masked and predicted. Samples of more than 2048 values on average have a token for each time step, because of the
    cost. A TokenSet keeps its layout, and with ``init`` the layout is that of its model.

    All methods take samples as a TokenSet or another Source, a data frame (with ``columns``), an array
    (n, channels, times) or (n, times) with NaN for values that were not observed, or a list of arrays
    (channels, times).

    Examples
    --------
    >>> import rotary_mae as rm
    >>> tokens = rm.simulate_light_curves(40)
    >>> interpolator = rm.RoMAEInterpolator(size="tiny-shallow", epochs=1, random_state=0).fit(tokens)
    >>> at = [[[10.0, 0], [20.0, 1]]] * 3  # two positions (time, channel) in each of three samples
    >>> mean, std = interpolator.predict(tokens[:3], at=at, return_std=True)
    >>> mean[0].shape
    (2, 1)
    """

    # calibration masks the validation set up to eight times
    _n_evaluations_after_training: ClassVar[int] = 10

    hiding: Strategy | Literal["auto"] | Masking | Mapping[str, Any]
    hiding_fraction: float
    model_: RoMAEForPreTraining
    models_: list[RoMAEForPreTraining]
    calibration_: Calibration
    masking_: Masking

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
        hiding: Strategy | Literal["auto"] | Masking | Mapping[str, Any] = "auto",
        hiding_fraction: float = 0.5,
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
        self.hiding = hiding
        self.hiding_fraction = hiding_fraction
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

    # -- fit --------------------------------------------------------------------------------------------------

    @restore_on_failure
    def fit(self, X: Any, y: Any = None, *, groups: Any = None) -> Self:
        """Train on samples, and calibrate the intervals on held-out values.

        Parameters
        ----------
        X : TokenSet, Source, data frame, array, or list of arrays
            B samples.
        y : object, optional
            Ignored; scikit-learn passes it.
        groups : array, shape (B,), mapping or Series, optional
            Groups of samples that the validation split does not divide; in the order of the samples, or keyed by id.

        Returns
        -------
        RoMAEInterpolator
            The estimator itself.

        Raises
        ------
        ValueError
            If the samples or the parameters are not valid, or do not fit ``init``.
        FileExistsError
            If ``out`` holds another run.
        KeyboardInterrupt
            If training was interrupted. The estimator is then as before, and ``out`` can be resumed.
        """
        source, initial = self._start_fit(X)
        if self.layout == "auto" and (initial is None or initial.scaling is None):
            source = by_value(source, X)
        groups = groups_for(source, X, groups)
        seed = self._draw_seed()
        split = split_validation(len(source), self._calibration_fraction(len(source)), seed, groups=groups)
        training, is_withheld = source, None
        if self.validation_fraction and not len(split.validation):
            tokens = source[np.arange(len(source))]
            is_withheld = withhold_values(tokens, seed)
            source, training = tokens, tokens.select_tokens(~is_withheld)
        scaling = scaling_for(Subset(training, split.training), initial, self.unit)
        config = self._model_config(scaling, initial, queries="independent", distribution="gaussian")
        model = self._new_model(lambda: RoMAEForPreTraining(config), seed, initial)
        self.calibration_ = Calibration.uncalibrated(count_channels(scaling.schema))
        hiding = given_masking(self.hiding, self.hiding_fraction, self.training)
        self.masking_ = hiding = masking_for(hiding, Subset(source, split.training)) if self._is_open else hiding
        self._train(model, training, split, scaling, INTERPOLATE, seed, initial=initial, hiding=hiding)
        self._calibrate(source, split, is_withheld, seed)
        self._finish(masked_summary(self.trained_models, source, split.validation, self.hiding_of_evaluation))
        return self

    def _calibration_fraction(self, n_samples: int) -> float:
        """Return the fraction of the samples in the validation set, which calibration needs too."""
        if not self.validation_fraction:
            return 0.0
        return max(self.validation_fraction, min(MIN_CALIBRATION_SERIES / n_samples, MAX_CALIBRATION_FRACTION))

    def _calibrate(
        self, source: Source, split: TrainValidationSplit, is_withheld: npt.NDArray[np.bool_] | None, seed: int
    ) -> None:
        chosen = split.validation if len(split.validation) else split.training
        tokens = calibration_series(source, chosen) if is_withheld is None else source[chosen]
        held_out: HeldOut = "series" if len(split.validation) else "nothing" if is_withheld is None else "values"
        if is_withheld is None:
            tokens = without_channels(tokens, self.scaling_.unobserved)
        if not len(tokens):
            return
        scaled, trained = self.scaling_.apply(tokens), self.trained_models
        hiding = calibration_masking(self.masking_) if self._is_open else self.masking_
        with trained.predictor() as predictor:
            self.calibration_ = fit_on_masked_values(
                predictor,
                scaled,
                lambda: length_sorted_batches(scaled),
                hiding,
                seed,
                held_out,
                is_withheld,
                trained.is_normalized,
            )

    @property
    def hiding_of_training(self) -> Masking:
        """Masking of training: ``masking_``, or before the fit that of ``hiding`` and ``training["hiding"]``."""
        if hasattr(self, "masking_"):
            return self.masking_
        return given_masking(self.hiding, self.hiding_fraction, self.training)

    @property
    def _is_open(self) -> bool:
        return is_open(self.hiding, self.training)

    @property
    def hiding_of_evaluation(self) -> Masking:
        """Masking of the summary and of scores: that of training, or single values if ``hiding`` is "auto"."""
        if not self._is_open:
            return self.hiding_of_training
        return Masking(self.hiding_of_training.strategy, EVALUATED_FRACTION)

    def score(self, X: Any, y: Any = None) -> float:
        """Return the fraction of the variance of masked values that their predictions explain.

        Parameters
        ----------
        X : TokenSet, Source, data frame, array, or list of arrays
            B samples, as in ``fit``. They are masked as for ``summary_``, in the same way at each call.
        y : object, optional
            Ignored; scikit-learn passes it.

        Returns
        -------
        float
            1 - mse / mse of the mean of the channel, on the masked values in scaled units. 1 is perfect, 0 is as good
            as the mean; higher is better.
        """
        source = self._source(X)
        metrics = reconstruction_metrics(self.trained_models, source, self.hiding_of_evaluation)
        return 1.0 - metrics["mse"] / metrics["mse_mean"]
