"""Views: a series with several channels, seen from the one channel that is predicted.

The channels of the model have no names. A view numbers the predicted channel 0 and the others from 1, and the model
only uses whether a number is 0 and which tokens share a number. Predictions therefore do not depend on the order of
the channels. Tokens are sorted, so that predictions do not depend on their order either, to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from rotary_mae.data.indexing import token_indices

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MAX_TRAINING_QUERIES = 64
"""Queries of a series in training. It limits the cost of a step; not tuned."""


@dataclass(frozen=True, eq=False)
class Views:
    """B views with T visible tokens and M queries together, view after view.

    Attributes
    ----------
    values, errors, times : ndarray of float, shape (T,)
        Visible tokens; an error of 0 is an unknown error.
    channels : ndarray of int, shape (T,)
        0 for the predicted channel, other numbers from 1 for other channels.
    lengths : ndarray of int, shape (B,)
        Visible tokens of each view, 0 or more.
    query_times : ndarray of float, shape (M,)
        Times of the queries, all in the predicted channel.
    targets, target_errors : ndarray of float, shape (M,)
        Values and known errors at the queries, which training and evaluation compare with; NaN and 0 in prediction.
    query_lengths : ndarray of int, shape (B,)
        Queries of each view.
    """

    values: Floats
    errors: Floats
    times: Floats
    channels: Ints
    lengths: Ints
    query_times: Floats
    targets: Floats
    target_errors: Floats
    query_lengths: Ints

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def view_idx(self) -> Ints:
        """(T,) view of each visible token."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def query_view_idx(self) -> Ints:
        """(M,) view of each query."""
        return np.repeat(np.arange(len(self)), self.query_lengths)

    def take(self, rows: Ints) -> Views:
        """Return the views of the given indices, in their order."""
        tokens = token_indices((np.cumsum(self.lengths) - self.lengths)[rows], self.lengths[rows])
        queries = token_indices((np.cumsum(self.query_lengths) - self.query_lengths)[rows], self.query_lengths[rows])
        return Views(
            self.values[tokens],
            self.errors[tokens],
            self.times[tokens],
            self.channels[tokens],
            self.lengths[rows],
            self.query_times[queries],
            self.targets[queries],
            self.target_errors[queries],
            self.query_lengths[rows],
        )

    @staticmethod
    def concatenate(parts: list[Views]) -> Views:
        """Join views, part after part."""
        return Views(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Views)))


def make_views(
    values: Floats,
    errors: Floats,
    times: Floats,
    channels: Ints,
    view_idx: Ints,
    query_times: Floats,
    query_view_idx: Ints,
    n_views: int,
    targets: Floats | None = None,
    target_errors: Floats | None = None,
) -> Views:
    """Return views with sorted tokens.

    Parameters
    ----------
    values, errors, times, channels, view_idx : ndarray, shape (T,)
        Visible tokens in any order, with the number of their view and 0 for the predicted channel.
    query_times, query_view_idx : ndarray, shape (M,)
        Queries, in ascending order of their views. They keep their order.
    n_views : int
        Number of views.
    targets, target_errors : ndarray, shape (M,), optional
        Values and errors at the queries.

    Returns
    -------
    Views
        The tokens of a view in the order: predicted channel, then others; time; value; error.
    """
    order = np.lexsort((channels, errors, values, times, channels > 0, view_idx))
    return Views(
        values[order],
        errors[order],
        times[order],
        channels[order],
        np.bincount(view_idx, minlength=n_views),
        query_times,
        np.full(len(query_times), np.nan) if targets is None else targets,
        np.zeros(len(query_times)) if target_errors is None else target_errors,
        np.bincount(query_view_idx, minlength=n_views),
    )


def training_views(
    values: Floats, positions: Floats, lengths: Ints, is_query: Bools, generator: np.random.Generator
) -> Views:
    """Return one view of each series: from the channel of a random query.

    Channels with many queries are thus likelier. At most ``MAX_TRAINING_QUERIES`` random queries of the channel are
    kept; queries of other channels are left out.

    Parameters
    ----------
    values : ndarray, shape (T, 2)
        Value and error of visible tokens and queries together.
    positions : ndarray, shape (T, 2)
        Time and channel.
    lengths : ndarray of int, shape (B,)
        Tokens of each series.
    is_query : ndarray of bool, shape (T,)
        True for queries; each series has at least one.
    generator : numpy.random.Generator
        Source of the random choices.

    Returns
    -------
    Views
        B views with targets.
    """
    n_series = len(lengths)
    series, starts = np.repeat(np.arange(n_series), lengths), np.cumsum(lengths) - lengths
    channel = positions[:, 1].astype(np.int64)
    score = np.where(is_query, generator.random(len(series)), -1.0)
    # the last token of each series in ascending order of scores is a random query
    chosen = np.lexsort((score, series))[starts + lengths - 1]
    channel = np.where(channel == channel[chosen][series], 0, channel + 1)
    is_kept_query = is_query & (channel == 0)
    rank = np.empty(len(series), np.int64)
    rank[np.lexsort((-np.where(is_kept_query, score, -2.0), series))] = np.arange(len(series)) - starts[series]
    is_kept_query &= rank < MAX_TRAINING_QUERIES
    value, error = values.astype(np.float64).T
    seen, asked = ~is_query, is_kept_query
    return make_views(
        value[seen],
        error[seen],
        positions[seen, 0],
        channel[seen],
        series[seen],
        positions[asked, 0],
        series[asked],
        n_series,
        value[asked],
        error[asked],
    )
