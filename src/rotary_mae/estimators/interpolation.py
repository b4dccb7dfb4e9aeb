"""Methods of a fitted interpolator: values, intervals, forecasts, imputation and anomaly scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from rotary_mae._warnings import warn_caller
from rotary_mae.data.alignment import align, values_of_channels
from rotary_mae.data.tokens import TokenSet
from rotary_mae.estimators._predict.anomalies import anomaly_scores, by_time_step, root_mean_square
from rotary_mae.estimators._predict.batched import TrainedModels
from rotary_mae.estimators._predict.distribution import Of, Statistics
from rotary_mae.estimators._predict.imputation import ValueCells
from rotary_mae.estimators._predict.queries import (
    Queries,
    check_future,
    describe_unobserved,
    format_predictions,
    interpolate,
    read_queries,
)
from rotary_mae.estimators.estimator import RoMAEEstimator
from rotary_mae.estimators.inputs import is_frame, is_source
from rotary_mae.evaluation.conformal import Calibration


class Interpolation(RoMAEEstimator):
    """Predictions of a fitted estimator at any positions; ``RoMAEInterpolator`` adds its parameters and the fit.

    Attributes
    ----------
    calibration_ : Calibration
        Calibration of the predictive distributions.
    """

    calibration_: Calibration

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
            index in ``channels``. A frame has columns id, time and channel, named by ``columns``. Steps, wide frames
            and arrays may be queried by times alone, (q,) or (q, 1) or without a column channel: the prediction then
            has all channels.
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
            For a list of positions: arrays (q, V), V the channels as at fit (1 where queries name their channel). With
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
        queries = self._queries(at, tokens, X)
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
            See ``predict``.

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
        queries = self._queries(at, tokens, X)
        check_future(queries, tokens)
        if "future" not in self.hiding_of_training.strategies:
            warn_caller(
                "this model was not trained to forecast, and its intervals are not calibrated for forecasts; fit one "
                "with hiding='future'"
            )
        return self._predicted(tokens, queries, statistics)

    def _queries(self, at: Any, tokens: TokenSet, X: Any) -> Queries:
        """Return the queries; of wide frames and arrays that were read value by value they may be times alone."""
        named = (self.columns or {}).get("value")
        # the command line names the columns of a wide file, and gives the tokens that were read from it
        has_wide_columns = isinstance(named, list | tuple) and len(named) > 1
        may_be_times = self._is_wide(X) or (has_wide_columns and self.layout == "auto")
        return read_queries(at, tokens, self.scaling_.schema, self.columns, may_be_times=may_be_times)

    def _is_wide(self, X: Any) -> bool:
        """Return True for wide frames and arrays that are not laid out by ``layout``."""
        is_laid_out = isinstance(X, TokenSet) or is_source(X)
        return self.layout == "auto" and not is_laid_out and not (self.columns or {}).get("channel")

    def _predicted(self, tokens: TokenSet, queries: Queries, statistics: Statistics) -> Any:
        """Return the statistics at the queries, in the form of the queries."""
        if statistics.are_calibrated:
            self._warn_if_not_calibrated()
        if (merged := self.scaling_.describe_merged(tokens, queries.positions, queries.lengths)) is not None:
            warn_caller(merged)
        if (unobserved := describe_unobserved(queries, self.scaling_)) is not None:
            warn_caller(unobserved)
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
            of its tokens (from frames: by time, then channel). For arrays of several channels (t, V), by time. NaN is
            not observed, a static covariate, or the only observation of its sample.
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
        self._warn_if_not_calibrated()
        schema = self.scaling_.schema
        tokens = align(source[np.arange(len(source))], schema)
        scores = np.abs(anomaly_scores(self.trained_models, self.scaling_.apply(tokens), n_folds))
        if names := self.scaling_.unobserved:
            channel = None if schema.channel_axis is None else tokens.positions[:, schema.channel_axis]
            scores = np.where(values_of_channels(schema, names, channel), np.nan, scores)
        if per == "series":
            return root_mean_square(scores, tokens.lengths)
        if is_frame(X):
            return ValueCells(X, self.columns, schema, is_empty=False).scored(tokens, scores)
        if self._is_wide(X) and schema.channel_axis is not None and schema.n_predicted == 1:
            return by_time_step(tokens, scores)
        return np.split(scores[:, 0] if scores.shape[1] == 1 else scores, tokens.starts[1:])

    def _warn_if_not_calibrated(self) -> None:
        if not self.calibration_.is_fitted:
            warn_caller(
                "standard deviations and quantiles are those of the model, not calibrated: no value could be masked at "
                "fit, or the fit was stopped before its end (resume it)"
            )
