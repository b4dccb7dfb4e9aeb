"""RoMAEInterpolator: values at any position, with their spread."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rotary_mae.batches.masking import Masking
from rotary_mae.data.sources import Source
from rotary_mae.data.timestamps import describe_time
from rotary_mae.data.tokens import TokenSet
from rotary_mae.estimators._fit.defaults import INTERPOLATE, model_config
from rotary_mae.estimators._fit.initialization import scaling_for, seeded_model
from rotary_mae.estimators._fit.split import TrainValidationSplit, split_validation
from rotary_mae.estimators._predict.anomalies import anomaly_scores, root_mean_square
from rotary_mae.estimators._predict.batched import MAX_TOKENS, batches_by_length
from rotary_mae.estimators._predict.distribution import Of, PredictiveDistribution, errors_at, quantile_name
from rotary_mae.estimators._predict.ensemble import ensemble_predictor
from rotary_mae.estimators._predict.imputation import Cells
from rotary_mae.estimators._predict.masked import hiding_summary
from rotary_mae.estimators._predict.queries import (
    Queries,
    batch_with_queries,
    frame_answers,
    frame_queries,
    list_queries,
)
from rotary_mae.estimators.estimator import RoMAEEstimator, restore_on_failure
from rotary_mae.estimators.inputs import is_frame
from rotary_mae.evaluation.conformal import Calibration, HeldOut, count_channels
from rotary_mae.evaluation.conformal_scores import evenly_spread, fit_on_masked_values, withhold_values
from rotary_mae.models.autoencoder import RoMAEForPreTraining
from rotary_mae.models.pretrained import Pretrained
from rotary_mae.training.config import TrainingConfig
from rotary_mae.training.progress import progress_bar

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
        self.calibration_ = Calibration.none(count_channels(scaling.schema))
        parts = split_validation(len(source), self._held_fraction(len(source)), seed, groups=groups)
        learned, is_held = source, None
        if self.validation_fraction and not len(parts.validation):
            whole = source[np.arange(len(source))]
            is_held = withhold_values(whole, seed)
            source, learned = whole, whole.select_tokens(~is_held)
        hiding = asdict(self.hiding_of_training)
        self._train(model, learned, parts, scaling, INTERPOLATE, seed, initial=initial, hiding=hiding)
        self._calibrate(source, parts, is_held, seed)
        self._finish(hiding_summary(self, source, parts))
        return self

    def _held_fraction(self, n_samples: int) -> float:
        if not self.validation_fraction:
            return 0.0
        return max(self.validation_fraction, min(MIN_HELD / n_samples, 0.25))

    def _calibrate(
        self, source: Source, parts: TrainValidationSplit, is_held: npt.NDArray[np.bool_] | None, seed: int
    ) -> None:
        chosen = parts.validation if len(parts.validation) else parts.training
        tokens = evenly_spread(source, chosen) if is_held is None else source[chosen]
        held_out: HeldOut = "series" if len(parts.validation) else "nothing" if is_held is None else "values"
        scaled, hiding = self.scaling_.apply(tokens), self.hiding_of_training
        with ensemble_predictor(self.models_, self.device) as answer:
            self.calibration_ = fit_on_masked_values(
                answer, scaled, hiding, seed, held_out, is_held, self._is_normalized
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
        self.calibration_ = Calibration.none(count_channels(self.scaling_.schema))
        if "calibration" in fitted:
            self.calibration_ = Calibration.from_dict(fitted["calibration"])

    # -- asking -----------------------------------------------------------------------------------------------

    def predict(
        self,
        X: Any,
        at: Any,
        *,
        return_std: bool = False,
        quantiles: Sequence[float] | None = None,
        of: Of = "measurement",
    ) -> Any:
        """Values at positions ``at``, given the observations ``X``.

        Args:
            X: samples, as in ``fit``.
            at: a list with one (q, D) array a sample, D in the tokens' own axes and units (channel as its index in
                ``channels``); or a frame with columns id, time and channel (without, steps answer for all channels).
            return_std: give the standard deviation too: that of the normal distribution whose central 90 % is as wide
                as the calibrated interval.
            quantiles: give these quantiles instead, each in (0, 1), calibrated on held-out data.
            of: what the spread is of. "measurement": of what would be measured there, with the error that is usual
                in its series and channel; this is what was calibrated. "value": of the value behind it, where errors
                are given; as good as they are.

        Returns:
            For a list: a list of (q, V) arrays, V the channels as at fit (1 where channels are an axis); with
            return_std a pair of such, with quantiles a list of them.
            For a frame: that frame with ``value`` (and ``std``, or ``q05`` ...); ``value_<channel>`` of all channels.
        """
        source = self._source(X)
        tokens = source[np.arange(len(source))]
        is_framed = is_frame(at)
        if is_framed:
            queries = frame_queries(at, tokens, self.scaling_.schema, self.columns)
        else:
            queries = list_queries(at, tokens, self.scaling_.schema)
        if of not in ("measurement", "value"):
            raise ValueError(f"of must be 'measurement' or 'value', got {of!r}")
        if quantiles is not None and return_std:
            raise ValueError("give return_std or quantiles, not both")
        if quantiles is not None and np.ndim(quantiles) == 0:
            raise ValueError(f"quantiles must be a list of them, got {quantiles!r}")
        if quantiles is not None and not all(0.0 < q < 1.0 for q in quantiles):
            raise ValueError(f"quantiles must be in (0, 1), got {list(quantiles)}")
        answered = self._answer(tokens, queries, of)
        if quantiles is not None:
            self._warn_if_not_calibrated()
            names, answers = [quantile_name(q) for q in quantiles], [answered.quantile(q) for q in quantiles]
        else:
            if return_std:
                self._warn_if_not_calibrated()
            names = ["value", "std"] if return_std else ["value"]
            answers = [answered.value(), answered.std()] if return_std else [answered.value()]
        if is_framed:
            return frame_answers(at, queries, dict(zip(names, answers, strict=True)), self.scaling_.schema)
        lists = [np.split(answer, queries.starts[1:]) for answer in answers]
        if quantiles is not None:
            return lists
        return tuple(lists) if return_std else lists[0]

    def forecast(
        self,
        X: Any,
        at: Any,
        *,
        return_std: bool = False,
        quantiles: Sequence[float] | None = None,
        of: Of = "measurement",
    ) -> Any:
        """Like ``predict``, for positions after each sample's last observation only; fit with hiding="future".

        at, return_std, quantiles, of: as in ``predict``.

        Raises ValueError for a position that is not in the future of its sample.
        """
        source = self._source(X)
        tokens = source[np.arange(len(source))]
        schema = self.scaling_.schema
        queries = frame_queries(at, tokens, schema, self.columns) if is_frame(at) else list_queries(at, tokens, schema)
        time = schema.time_axis
        last = np.maximum.reduceat(tokens.positions[:, time], tokens.starts)
        early = queries.positions[:, time] <= np.repeat(last, queries.lengths)
        if early.any():
            sample = int(np.repeat(np.arange(len(tokens)), queries.lengths)[early][0])
            raise ValueError(
                f"{int(early.sum())} positions are not after the last observation of their sample, first for id "
                f"{tokens.ids.tolist()[sample]!r} (last at {describe_time(last[sample], tokens.schema.times)}); use "
                "predict to ask between observations"
            )
        if not _hides_the_future(self.hiding_of_training):
            warnings.warn(
                "this model was not trained to forecast, nor are its intervals calibrated for it; fit one with "
                "hiding='future'",
                stacklevel=2,
            )
        return self.predict(tokens, at, return_std=return_std, quantiles=quantiles, of=of)

    def impute(self, df: Any) -> Any:
        """The same frame with its empty value cells filled, and a column ``std`` (wide: ``<column>_std``).

        df: long (with rows whose value is empty) or wide, its columns named by the estimator's ``columns``. Order,
        ids, time stamps and units stay; the standard deviation, of what would be measured, is NaN where a value was.
        """
        gaps = Cells(df, self.columns, self.scaling_.schema, is_empty=True)
        if not len(gaps.row):
            return gaps.filled(pa.table({"value": np.zeros(0), "std": np.zeros(0)}))
        return gaps.filled(self.predict(df, gaps.questions(), return_std=True))

    def anomaly_score(self, X: Any, *, per: Literal["measurement", "series"] = "measurement", n_folds: int = 10) -> Any:
        """How surprising each observed value is, given the others of its series.

        Every observation is hidden once, in ``n_folds`` turns with every ``n_folds``-th other in time, and compared
        with the answer, its own measurement error allowed for: the distance in standard deviations, calibrated so
        that of ordinary values about 68 % lie below 1 and 95 % below 2; or some more, as here more of a series is seen
        than where half of it was hidden to calibrate.

        Returns:
            per="measurement": a list with one array a sample, in the order of its tokens (from frames and arrays: by
            time, then channel); (t,), or (t, V) where a token has several values. NaN: not observed, a static
            covariate, or the only observation of its sample. For a frame: that frame with a column
            ``anomaly_score`` (wide: ``<column>_anomaly_score``).
            per="series": (n,) the root mean square over the observations of each sample, about 1 for ordinary ones.
        """
        if per not in ("measurement", "series"):
            raise ValueError(f"per must be 'measurement' or 'series', got {per!r}")
        if n_folds < 2:
            raise ValueError(f"n_folds must be at least 2, got {n_folds}")
        source = self._source(X)
        self._warn_if_not_calibrated()
        tokens = source[np.arange(len(source))].conform(self.scaling_.schema)
        scaled = self.scaling_.apply(tokens)
        with ensemble_predictor(self.models_, self.device) as answer:
            scores = np.abs(anomaly_scores(answer, scaled, self.calibration_, n_folds, self._is_normalized))
        if per == "series":
            return root_mean_square(scores, scaled.lengths)
        if is_frame(X):
            return Cells(X, self.columns, self.scaling_.schema, is_empty=False).scored(tokens, scores)
        return np.split(scores[:, 0] if scores.shape[1] == 1 else scores, scaled.starts[1:])

    # -- answering --------------------------------------------------------------------------------------------

    @property
    def _is_normalized(self) -> bool:
        return bool(self.model_.config.normalize_targets)

    def _answer(self, tokens: TokenSet, queries: Queries, of: Of) -> PredictiveDistribution:
        scaling = self.scaling_
        observed = scaling.apply(tokens)
        starts = scaling.starts(scaling.conform(tokens))
        asked = scaling.apply_positions(queries.positions, queries.lengths, starts)
        mean = np.zeros((len(asked), scaling.schema.n_predicted))
        spread = np.ones(mean.shape)
        with (
            ensemble_predictor(self.models_, self.device) as answer,
            progress_bar("answer", len(observed), bool(self.verbose)) as done,
        ):
            # a query costs about what an observed token does
            for chosen in batches_by_length(observed.lengths + queries.lengths, MAX_TOKENS):
                rows = queries.rows(chosen)
                done(len(chosen))
                if not len(rows):
                    continue
                means, stds = answer(batch_with_queries(observed[chosen], asked[rows], queries.lengths[chosen]))
                mean[rows] = means.numpy()
                if stds is not None:
                    spread[rows] = stds.numpy()
        if of == "measurement":
            spread = np.hypot(spread, errors_at(queries, observed, self.calibration_)[:, None])
        axis = scaling.schema.channel_axis
        channel = None if axis is None else queries.positions[:, axis].astype(np.int64)
        return PredictiveDistribution(mean, spread, channel, scaling, self.calibration_)

    def _warn_if_not_calibrated(self) -> None:
        if not self.calibration_.is_fitted:
            warnings.warn(
                "spread and quantiles are the model's own, not calibrated: nothing could be hidden at fit, or the fit "
                "was stopped before its end (resume it)",
                stacklevel=3,
            )


def _hides_the_future(hiding: Masking) -> bool:
    return hiding.strategy == "future" or (hiding.then is not None and _hides_the_future(hiding.then))
