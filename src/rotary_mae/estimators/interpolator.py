"""RoMAEInterpolator: values at any position, with their spread."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rotary_mae.batches.masking import Masking
from rotary_mae.data.alignment import align
from rotary_mae.data.sources import Source
from rotary_mae.data.tokens import TokenSet
from rotary_mae.estimators._fit.defaults import INTERPOLATE, model_config
from rotary_mae.estimators._fit.initialization import scaling_for, seeded_model
from rotary_mae.estimators._fit.split import TrainValidationSplit, split_validation
from rotary_mae.estimators._predict.anomalies import anomaly_scores, root_mean_square
from rotary_mae.estimators._predict.batched import TrainedModels, length_sorted_batches
from rotary_mae.estimators._predict.distribution import Of, Statistics
from rotary_mae.estimators._predict.imputation import ValueCells
from rotary_mae.estimators._predict.masked import masked_summary
from rotary_mae.estimators._predict.queries import (
    Queries,
    check_future,
    format_predictions,
    interpolate,
    read_queries,
)
from rotary_mae.estimators.estimator import RoMAEEstimator, restore_on_failure
from rotary_mae.estimators.inputs import is_frame
from rotary_mae.evaluation.conformal import Calibration, HeldOut, count_channels
from rotary_mae.evaluation.conformal_scores import calibration_series, fit_on_masked_values, withhold_values
from rotary_mae.models.autoencoder import RoMAEForPreTraining
from rotary_mae.models.pretrained import Pretrained
from rotary_mae.training.config import TrainingConfig

Array = npt.NDArray[Any]

# Series held out at least, up to a quarter of all: from fewer, one cannot tell how wide an interval must be.
MIN_HELD = 10


class RoMAEInterpolator(RoMAEEstimator):
    """Learns to fill in hidden observations, then answers at any position of its axes.

    hiding: the strategy of hiding in training ("uniform", "times", "block", "future", "channel"), and
    hiding_fraction its share: choose what prediction will meet. n_estimators: that many models are trained from
    different seeds on the same training part and answer together, as the mixture of their normal distributions: where
    they disagree, the spread is wider. Other parameters: see ``RoMAEEstimator``.
    Each answer depends on the observations alone, never on what else is asked.

    Fitted: ``model_`` (``models_`` of an ensemble), ``summary_``, and ``calibration_``: how the spread of answers was
    calibrated, channel by channel, on values hidden in the same way; its ``held_out`` says on which. "series": the
    validation part (of at least 10 series, up to a quarter of all), from which training learns nothing but, if it has
    a hundred or more, when to stop. "values": where there are too few series for one (below 20), a seventh of the
    values of each, which training never sees; they tell little of other series. "nothing": the training series, with
    validation_fraction=0; intervals are too narrow where the model knows these by heart.
    """

    _passes_after = 10  # calibration hides up to eight times

    def __init__(
        self, *, hiding: str = "uniform", hiding_fraction: float = 0.5, n_estimators: int = 1, **parameters: Any
    ) -> None:
        super().__init__(**parameters)
        self.hiding = hiding
        self.hiding_fraction = hiding_fraction
        self.n_estimators = n_estimators

    # -- fitting ----------------------------------------------------------------------------------------------

    @restore_on_failure
    def fit(self, X: Any, y: Any = None, *, groups: Any = None) -> Self:
        """Train on samples; ``y`` is not looked at. ``groups`` (B,) keeps groups on one side of validation."""
        source, initial = self._to_fit(X)
        seed = self._seed
        scaling = scaling_for(source, initial, self.unit)
        config = model_config(self, scaling, initial, queries="independent", distribution="gaussian")
        model = seeded_model(seed, lambda: RoMAEForPreTraining(config))
        self._start_from(initial, model)
        self.calibration_ = Calibration.uncalibrated(count_channels(scaling.schema))
        parts = split_validation(len(source), self._held_fraction(len(source)), seed, groups=groups)
        learned, is_held = source, None
        if self.validation_fraction and not len(parts.validation):
            whole = source[np.arange(len(source))]
            is_held = withhold_values(whole, seed)
            source, learned = whole, whole.select_tokens(~is_held)
        hiding = asdict(self.hiding_of_training)
        self._train(model, learned, parts, scaling, INTERPOLATE, seed, initial=initial, hiding=hiding)
        self._calibrate(source, parts, is_held, seed)
        self._finish(masked_summary(self.trained_models, source, parts.validation, self.hiding_of_training))
        return self

    def _held_fraction(self, n_samples: int) -> float:
        if not self.validation_fraction:
            return 0.0
        return max(self.validation_fraction, min(MIN_HELD / n_samples, 0.25))

    def _calibrate(
        self, source: Source, parts: TrainValidationSplit, is_held: npt.NDArray[np.bool_] | None, seed: int
    ) -> None:
        chosen = parts.validation if len(parts.validation) else parts.training
        tokens = calibration_series(source, chosen) if is_held is None else source[chosen]
        held_out: HeldOut = "series" if len(parts.validation) else "nothing" if is_held is None else "values"
        scaled, hiding, trained = self.scaling_.apply(tokens), self.hiding_of_training, self.trained_models
        with trained.predictor() as predictor:
            self.calibration_ = fit_on_masked_values(
                predictor,
                scaled,
                lambda: length_sorted_batches(scaled),
                hiding,
                seed,
                held_out,
                is_held,
                trained.is_normalized,
            )

    @property
    def hiding_of_training(self) -> Masking:
        """What is hidden in training: ``training["hiding"]`` over the estimator's own parameters."""
        if not 0.0 < self.hiding_fraction <= 1.0:
            raise ValueError(f"hiding_fraction must be above 0 and at most 1, got {self.hiding_fraction}")
        own = {"strategy": self.hiding, "fraction": self.hiding_fraction}
        return TrainingConfig.from_dict({"hiding": {**own, **(self.training or {}).get("hiding", {})}}).hiding

    def _fitted(self) -> dict[str, Any]:
        return {"calibration": self.calibration_.to_dict()}

    def _restore(self, fitted: dict[str, Any], model: Pretrained) -> None:
        super()._restore(fitted, model)
        self.calibration_ = Calibration.uncalibrated(count_channels(self.scaling_.schema))
        if "calibration" in fitted:
            self.calibration_ = Calibration.from_dict(fitted["calibration"])

    # -- predicting -------------------------------------------------------------------------------------------

    @property
    def trained_models(self) -> TrainedModels:
        """The fitted models with what prediction needs, the calibration among it."""
        return replace(super().trained_models, calibration=self.calibration_)

    def predict(
        self,
        X: Any,
        at: Any,
        *,
        return_std: bool = False,
        quantiles: Sequence[float] | None = None,
        of: Of = "measurement",
    ) -> Any:
        """Predict values at positions, given the observations.

        A prediction depends on the observations of its sample only, not on other queries.

        Parameters
        ----------
        X : TokenSet, Source, DataFrame, array, or list of array
            Observations of B samples, as in ``fit``.
        at : list of array, or DataFrame
            The positions. A list has one array (q, D) a sample, with the axes and units of the tokens, a channel as its
            index in ``channels``. A frame has columns id, time and channel, named by ``columns``; without a channel the
            prediction of steps has all channels.
        return_std : bool
            True to return the standard deviation too. It is that of the normal distribution whose central 90 % interval
            is as wide as the calibrated one.
        quantiles : sequence of float, optional
            Probabilities in (0, 1) of the quantiles to return instead of values. They are calibrated on held-out data.
        of : {"measurement", "value"}
            Quantity whose standard deviation or quantiles are returned. "measurement" is a measurement at the position,
            with the error that is usual in its sample and channel; this is what was calibrated. "value" is the value
            without that error, where errors are given.

        Returns
        -------
        list of array, tuple of two such lists, or list of such lists
            For a list of positions: arrays (q, V), V the channels as at fit (1 where channels are an axis). With
            ``return_std`` a pair, values and standard deviations; with ``quantiles`` one list a quantile.
        DataFrame
            For a frame: the same frame with columns ``value`` and ``std``, or ``q05`` and so on; for several channels
            ``value_<channel>`` and so on.

        Raises
        ------
        ValueError
            If positions or settings are not valid, or the data does not fit the model.

        Examples
        --------
        >>> mean, std = itp.predict(tokens, at=[[[3.5, 0]]] * len(tokens), return_std=True)
        """
        statistics = Statistics(return_std, quantiles, of)
        source = self._source(X)
        tokens = source[np.arange(len(source))]
        queries = read_queries(at, tokens, self.scaling_.schema, self.columns)
        return self._predicted(tokens, queries, statistics)

    def forecast(
        self,
        X: Any,
        at: Any,
        *,
        return_std: bool = False,
        quantiles: Sequence[float] | None = None,
        of: Of = "measurement",
    ) -> Any:
        """Predict values after the last observation of each sample.

        Fit with ``hiding="future"`` for forecasts.

        Parameters
        ----------
        X : TokenSet, Source, DataFrame, array, or list of array
            Observations of B samples, as in ``fit``.
        at : list of array, or DataFrame
            Positions, as in ``predict``, each later than the last observation of its sample.
        return_std, quantiles, of
            As in ``predict``.

        Returns
        -------
        list of array, tuple, or DataFrame
            As in ``predict``.

        Raises
        ------
        ValueError
            If a position is not after the last observation of its sample, and as in ``predict``.
        """
        statistics = Statistics(return_std, quantiles, of)
        source = self._source(X)
        tokens = source[np.arange(len(source))]
        queries = read_queries(at, tokens, self.scaling_.schema, self.columns)
        check_future(queries, tokens)
        if not _hides_the_future(self.hiding_of_training):
            warnings.warn(
                "this model was not trained to forecast, and its intervals are not calibrated for forecasts; fit one "
                "with hiding='future'",
                stacklevel=2,
            )
        return self._predicted(tokens, queries, statistics)

    def _predicted(self, tokens: TokenSet, queries: Queries, statistics: Statistics) -> Any:
        """Return the statistics at the queries, in the form of the queries."""
        if statistics.are_calibrated:
            self._warn_if_not_calibrated(stacklevel=4)
        distribution = interpolate(self.trained_models, tokens, queries)
        return format_predictions(distribution, queries, statistics, self.scaling_.schema)

    def impute(self, df: Any) -> Any:
        """Fill the empty value cells of a frame.

        Parameters
        ----------
        df : DataFrame
            Long frame, with rows whose value is empty, or wide frame, its columns named by ``columns``.

        Returns
        -------
        DataFrame
            The same frame with predictions in the empty cells and a column ``std`` (wide: ``<column>_std``): the
            standard deviation of a measurement there, NaN where a value was observed. The order of the rows, ids, time
            stamps and units stay.

        Raises
        ------
        ValueError
            If ``df`` is not such a frame, or its data does not fit the model.
        """
        cells = ValueCells(df, self.columns, self.scaling_.schema, is_empty=True)
        if not len(cells.row):
            return cells.filled(pa.table({"value": np.zeros(0), "std": np.zeros(0)}))
        return cells.filled(self.predict(df, cells.queries(), return_std=True))

    def anomaly_score(self, X: Any, *, per: Literal["measurement", "series"] = "measurement", n_folds: int = 10) -> Any:
        """Score every observed value by its distance from the prediction of the other values of its sample.

        Every observation is masked once, together with every ``n_folds``-th other in time, and predicted from the rest.
        Its score is the distance from the prediction in standard deviations, its own measurement error included,
        calibrated so that about 68 % of ordinary scores are below 1 and 95 % below 2. Usually it is some more, because
        fewer values are masked here than for the calibration.

        Parameters
        ----------
        X : TokenSet, Source, DataFrame, array, or list of array
            Observations of B samples, as in ``fit``.
        per : {"measurement", "series"}
            One score a value, or one a sample.
        n_folds : int
            Number of masks, at least 2.

        Returns
        -------
        list of array
            For ``per="measurement"``: one array (t,) a sample, or (t, V) where a token has several values, in the order
            of its tokens (from frames and arrays: by time, then channel). NaN is not observed, a static covariate, or
            the only observation of its sample.
        DataFrame
            For ``per="measurement"`` and a frame: that frame with a column ``anomaly_score`` (wide:
            ``<column>_anomaly_score``).
        array of shape (B,)
            For ``per="series"``: the root mean square of the scores of each sample, about 1 for ordinary samples.

        Raises
        ------
        ValueError
            If ``per`` or ``n_folds`` is not valid, or the data does not fit the model.
        """
        if per not in ("measurement", "series"):
            raise ValueError(f"per must be 'measurement' or 'series', got {per!r}")
        if n_folds < 2:
            raise ValueError(f"n_folds must be at least 2, got {n_folds}")
        source = self._source(X)
        self._warn_if_not_calibrated(stacklevel=3)
        schema = self.scaling_.schema
        tokens = align(source[np.arange(len(source))], schema)
        scores = np.abs(anomaly_scores(self.trained_models, self.scaling_.apply(tokens), n_folds))
        if per == "series":
            return root_mean_square(scores, tokens.lengths)
        if is_frame(X):
            return ValueCells(X, self.columns, schema, is_empty=False).scored(tokens, scores)
        return np.split(scores[:, 0] if scores.shape[1] == 1 else scores, tokens.starts[1:])

    def _warn_if_not_calibrated(self, stacklevel: int) -> None:
        if not self.calibration_.is_fitted:
            warnings.warn(
                "standard deviations and quantiles are those of the model, not calibrated: no value could be masked at "
                "fit, or the fit was stopped before its end (resume it)",
                stacklevel=stacklevel,
            )


def _hides_the_future(hiding: Masking) -> bool:
    return hiding.strategy == "future" or (hiding.then is not None and _hides_the_future(hiding.then))
