"""RoMAEInterpolator: values at any position, with their spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from scipy.special import ndtri

from rotary_mae.batches.batch import TokenBatch
from rotary_mae.batches.hiding import Hiding
from rotary_mae.data.tokens import TokenSet
from rotary_mae.estimators.estimator import RoMAEEstimator
from rotary_mae.estimators.imputing import Gaps
from rotary_mae.estimators.inference import MAX_TOKENS, batches_by_length, pick_device
from rotary_mae.estimators.inputs import is_frame
from rotary_mae.estimators.queries import Queries, frame_answers, frame_queries, list_queries
from rotary_mae.estimators.schedule import INTERPOLATE
from rotary_mae.estimators.starting import seeded_model
from rotary_mae.estimators.validation import split_validation
from rotary_mae.models.autoencoder import RoMAEForPreTraining
from rotary_mae.training.config import TrainingConfig
from rotary_mae.training.evaluation import evaluating
from rotary_mae.training.progress import counting

Array = npt.NDArray[Any]


class RoMAEInterpolator(RoMAEEstimator):
    """Learns to fill in hidden observations, then answers at any position of its axes.

    hiding: the strategy of hiding in training ("uniform", "times", "block", "future", "channel"), and
    hiding_fraction its share: choose what prediction will meet. Other parameters: see ``RoMAEEstimator``.
    Each answer depends on the observations alone, never on what else is asked.
    """

    _auto_context = 0

    def __init__(self, *, hiding: str = "uniform", hiding_fraction: float = 0.5, **parameters: Any) -> None:
        super().__init__(**parameters)
        self.hiding = hiding
        self.hiding_fraction = hiding_fraction

    def fit(self, X: Any, y: Any = None, *, groups: Any = None) -> Self:
        """Train on samples; ``y`` is not looked at. ``groups`` (B,) keeps groups on one side of validation."""
        source, initial = self._to_fit(X)
        seed = self._seed
        scaling = self._fit_scaling(source, initial)
        config = self._model_config(scaling, initial, queries="independent", distribution="gaussian")
        model = seeded_model(seed, lambda: RoMAEForPreTraining(config))
        self._start_from(initial, model)
        parts = split_validation(len(source), self.validation_fraction, seed, groups=groups)
        self._train(model, source, parts, scaling, INTERPOLATE, seed, hiding=asdict(self.hiding_of_training))
        return self

    @property
    def hiding_of_training(self) -> Hiding:
        """What is hidden in training: ``training["hiding"]`` over the estimator's own parameters."""
        own = {"strategy": self.hiding, "fraction": self.hiding_fraction}
        return TrainingConfig.from_dict({"hiding": {**own, **(self.training or {}).get("hiding", {})}}).hiding

    def predict(self, X: Any, at: Any, *, return_std: bool = False, quantiles: Sequence[float] | None = None) -> Any:
        """Values at positions ``at``, given the observations ``X``.

        Args:
            X: samples, as in ``fit``.
            at: a list with one (q, D) array a sample, D in the tokens' own axes and units (channel as its index in
                ``channels``); or a frame with columns id, time and (if channels are an axis) channel.
            return_std: give the standard deviation too.
            quantiles: give these quantiles instead, each in (0, 1).

        Returns:
            For a list: a list of (q, V) arrays, V the channels as at fit (1 where channels are an axis); with
            return_std a pair of such, with quantiles a list of them.
            For a frame: that frame with ``value`` (and ``std``, or ``q05`` ...).
        """
        source = self._source(X)
        tokens = source[np.arange(len(source))]
        is_framed = is_frame(at)
        if is_framed:
            queries = frame_queries(at, tokens, self.scaling_.schema, self.columns)
        else:
            queries = list_queries(at, tokens, self.scaling_.schema)
        mean, std = self._answer(tokens, queries)
        if quantiles is not None:
            if not all(0.0 < q < 1.0 for q in quantiles):
                raise ValueError(f"quantiles must be in (0, 1), got {list(quantiles)}")
            answers = {_name(q): mean + std * ndtri(q) for q in quantiles}
        else:
            answers = {"value": mean} | ({"std": std} if return_std else {})
        if is_framed:
            return frame_answers(at, queries, answers, self.scaling_.schema)
        lists = [np.split(answer, queries.starts[1:]) for answer in answers.values()]
        if quantiles is not None:
            return lists
        return tuple(lists) if return_std else lists[0]

    def forecast(self, X: Any, at: Any, *, return_std: bool = False, quantiles: Sequence[float] | None = None) -> Any:
        """Like ``predict``, for positions after each sample's last observation only; fit with hiding="future".

        at, return_std, quantiles: as in ``predict``.

        Raises ValueError for a position that is not in the future of its sample.
        """
        source = self._source(X)
        tokens = source[np.arange(len(source))]
        schema = self.scaling_.schema
        queries = frame_queries(at, tokens, schema, self.columns) if is_frame(at) else list_queries(at, tokens, schema)
        last = np.maximum.reduceat(tokens.positions[:, 0], tokens.starts)
        early = queries.positions[:, 0] <= np.repeat(last, queries.lengths)
        if early.any():
            sample = int(np.repeat(np.arange(len(tokens)), queries.lengths)[early][0])
            raise ValueError(
                f"{int(early.sum())} positions are not after the last observation of their sample, first for id "
                f"{tokens.ids.tolist()[sample]!r} (last at {last[sample]:g}); use predict to ask between observations"
            )
        return self.predict(tokens, at, return_std=return_std, quantiles=quantiles)

    def impute(self, df: Any) -> Any:
        """The same frame with its empty value cells filled, and a column ``std`` (wide: ``<column>_std``).

        df: long (with rows whose value is empty) or wide, its columns named by the estimator's ``columns``. Order,
        ids, time stamps and units stay; the standard deviation is NaN where a value was observed.
        """
        gaps = Gaps(df, self.columns, self.scaling_.schema)
        if not len(gaps.row):
            return gaps.filled(self._no_answers())
        return gaps.filled(self.predict(df, gaps.questions(), return_std=True))

    def _no_answers(self) -> Any:
        return pa.table({"value": np.zeros(0), "std": np.zeros(0)})

    def _answer(self, tokens: TokenSet, queries: Queries) -> tuple[Array, Array]:
        """Mean and standard deviation (Q, V) at all queries, in the user's units."""
        scaling, model = self.scaling_, self.model_
        observed = scaling.apply(tokens)
        starts = scaling.starts(tokens.conform(scaling.schema))
        asked = scaling.apply_positions(queries.positions, queries.lengths, starts)
        width = scaling.schema.n_predicted
        mean, std = np.zeros((len(asked), width)), np.zeros((len(asked), width))
        device = pick_device(self.device)
        model.to(device)
        with evaluating(model), counting("answer", len(observed), bool(self.verbose)) as done:
            # a query costs about what an observed token does
            for chosen in batches_by_length(observed.lengths + queries.lengths, MAX_TOKENS):
                rows = queries.rows(chosen)
                done(len(chosen))
                if not len(rows):
                    continue
                output = model(_asking(observed[chosen], asked[rows], queries.lengths[chosen]).to(device))
                mean[rows] = output.prediction.cpu().numpy()
                std[rows] = torch.zeros(1) if output.std is None else output.std.cpu().numpy()
        axis = scaling.schema.channel_axis
        channel = None if axis is None else queries.positions[:, axis]
        return scaling.undo(mean, channel=channel), scaling.undo(std, channel=channel, is_spread=True)


def _name(quantile: float) -> str:
    percent = round(100 * quantile, 9)
    return f"q{percent:02.0f}" if percent == round(percent) else f"q{percent:g}"


def _asking(observed: TokenSet, asked: Array, lengths: npt.NDArray[np.int64]) -> TokenBatch:
    """A batch whose hidden tokens are the queries (their values are never read)."""
    empty = np.zeros((len(asked), observed.values.shape[1]), np.float32)
    sample = np.concatenate([observed.sample_idx, np.repeat(np.arange(len(observed)), lengths)])
    order = np.argsort(sample, kind="stable")
    both = TokenSet(
        np.concatenate([observed.values, empty])[order],
        np.concatenate([observed.positions, asked])[order],
        observed.lengths + lengths,
        schema=observed.schema,
    )
    return TokenBatch.collate(both).hide(is_hidden=(order >= observed.n_tokens))
