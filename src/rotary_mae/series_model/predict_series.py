"""Prediction of the series of a TokenSet by a SeriesModel, in the user's units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from rotary_mae.data.indexing import budget_slices, token_indices
from rotary_mae.data.tokens import TokenSet
from rotary_mae.series_model.mixture import Mixture
from rotary_mae.series_model.model import SeriesModel
from rotary_mae.series_model.series_batch import SeriesBatch
from rotary_mae.series_model.token_views import QueryList, read_measurements, read_query_positions, views_of
from rotary_mae.series_model.views import Views

MAX_CHUNK_TOKENS = 2**20
"""Visible tokens of the views that are made at a time. It limits memory; not tuned."""

MAX_BATCH_TOKENS = 2**14
"""Visible tokens and queries of a batch of the model. It limits memory; not tuned."""


@torch.inference_mode()
def predict_series(
    model: SeriesModel,
    tokens: TokenSet,
    queries: Sequence[npt.ArrayLike],
    *,
    max_batch_tokens: int = MAX_BATCH_TOKENS,
) -> Mixture:
    """Return predictive distributions at any times and channels.

    Parameters
    ----------
    model : SeriesModel
        On any device.
    tokens : TokenSet
        B samples with visible tokens, on the axes ``time`` and ``channel``, or ``time`` alone. Known errors are used if
        the tokens have them; an error of 0 is an unknown error. Static covariates are not used.
    queries : sequence of array, shape (q, D) each
        Positions on the axes of the tokens, one array a sample. Without the axis ``channel``, each time is a query of
        every channel.
    max_batch_tokens : int, default 16384
        Visible tokens and queries that the model takes at a time.

    Returns
    -------
    Mixture
        Q mixtures in the units of the values, float64, sample after sample in the order of the queries; without the
        axis ``channel``, those of the channels of a time follow each other. They are distributions of a measurement
        without its known error; ``Mixture.widened`` adds one.

    Raises
    ------
    ValueError
        If the queries do not fit the tokens, a sample has no value, or the tokens are not series.

    Notes
    -----
    A prediction does not depend on other samples, on other queries, or on the order of channels and tokens.
    """
    measured = read_measurements(tokens)
    asked = read_query_positions(queries, tokens, measured.n_channels)
    mixtures: list[Mixture] = []
    places = []
    n_queries = np.bincount(asked.samples, minlength=len(tokens))
    starts = np.cumsum(n_queries) - n_queries
    n_measured = np.bincount(measured.samples, minlength=len(tokens))
    # each channel with queries is a view of all tokens of its sample
    cost = n_measured * np.minimum(n_queries, measured.n_channels)
    for chunk in budget_slices(cost, MAX_CHUNK_TOKENS):
        index = token_indices(starts[chunk], n_queries[chunk])
        part = QueryList(asked.times[index], asked.channels[index], asked.samples[index])
        views, order = views_of(measured, part)
        mixtures.append(predict_views(model, views, max_batch_tokens))
        places.append(index[order])
    k = model.config.components
    empty = torch.zeros(len(asked.times), k, dtype=torch.float64)
    result = Mixture(empty.clone(), empty.clone(), empty)
    for mixture, place in zip(mixtures, places, strict=True):
        at = torch.from_numpy(place)
        for name in ("log_weight", "mean", "std"):
            getattr(result, name)[at] = getattr(mixture, name)
    return result


@torch.inference_mode()
def predict_views(model: SeriesModel, views: Views, max_batch_tokens: int = MAX_BATCH_TOKENS) -> Mixture:
    """Return predictive distributions of the queries of views.

    Parameters
    ----------
    model : SeriesModel
        On any device.
    views : Views
        B views with M queries, each view with a visible token.
    max_batch_tokens : int
        Visible tokens and queries that the model takes at a time.

    Returns
    -------
    Mixture
        M mixtures in the units of the values, float64 on the CPU, in the order of the queries.
    """
    sizes = views.lengths + views.query_lengths
    by_size = np.argsort(sizes, kind="stable")
    first = np.cumsum(views.query_lengths) - views.query_lengths
    device = model.query_token.device
    mixtures, places = [], []
    for chunk in budget_slices(sizes[by_size], max_batch_tokens):
        rows = by_size[chunk]
        batch = SeriesBatch.from_views(views.take(rows))
        mixture = model(batch.to(device))
        of_view = np.repeat(np.arange(len(rows)), batch.query_lengths)
        level, deviation = (torch.from_numpy(array[of_view]) for array in (batch.level, batch.deviation))
        in_float64 = Mixture(mixture.log_weight.cpu(), mixture.mean.cpu(), mixture.std.cpu()).double()
        mixtures.append(in_float64.rescaled(level, deviation))
        places.append(token_indices(first[rows], views.query_lengths[rows]))
    if not mixtures:
        empty = torch.zeros(0, model.config.components, dtype=torch.float64)
        return Mixture(empty, empty, empty)
    order = np.empty(int(views.query_lengths.sum()), np.int64)
    order[np.concatenate(places)] = np.arange(len(order))
    return Mixture.concatenate(mixtures)[torch.from_numpy(order)]
