"""SyntheticSeries: the prior as a Source whose series are drawn on access and never stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae.data.indexing import sample_indices
from rotary_mae.data.schema import Schema
from rotary_mae.data.tokens import TokenSet
from rotary_mae.prior.channels import draw_signals
from rotary_mae.prior.families import FAMILIES, draw_main_family
from rotary_mae.prior.measurement import measure
from rotary_mae.prior.query_placement import place_queries, sort_by_time
from rotary_mae.prior.random_streams import Bools, Floats, Ints, Streams, take_columns
from rotary_mae.prior.sampling import (
    MAX_CHANNELS,
    MAX_TOKENS,
    MIN_TOKENS,
    count_steps,
    draw_channel_layout,
    draw_n_channels,
    draw_n_tokens,
    draw_times,
)

PRIOR_VERSION = 1
"""Changes whenever the same seed and index would give another series."""

BUCKETS = np.array([32, 64, 96, 128, 192, 256, 384, 512])
"""Series are computed together with others of their bucket and padded to its number of tokens. The bucket depends on
the number of tokens alone, so that rounding does not depend on the batch."""


@dataclass(frozen=True, eq=False)
class SyntheticDraw:
    """Series of the prior with their queries, noise-free values and properties.

    Attributes
    ----------
    tokens : TokenSet
        B series of T tokens together, visible tokens and queries, in order of time within a series.
    is_query : ndarray of bool, shape (T,)
        True for the tokens to be predicted, False for visible ones. A series has at least one of each.
    noiseless : ndarray, shape (T,)
        Values without noise, outliers and rounding, in the units of the values. For counts, their expectation.
    has_errors : ndarray of bool, shape (B,)
        True where the noise of some values is known and given in the column ``error``, which is 0 for other values.
    has_extra_noise : ndarray of bool, shape (B,)
        True where there is noise beyond the known errors, or outliers or rounding.
    n_channels : ndarray of int, shape (B,)
        Channels of each series; some may have no token.
    family : ndarray of int, shape (B,)
        Main family of the latent functions: index into ``FAMILIES``.
    """

    tokens: TokenSet
    is_query: Bools
    noiseless: Floats
    has_errors: Bools
    has_extra_noise: Bools
    n_channels: Ints
    family: Ints


class SyntheticSeries:
    """Source of synthetic series with one or more channels, irregular times, noise and queries.

    Series i is a pure function of ``seed`` and i: the same in every batch, process and order. Nothing is stored except
    the solutions of differential equations, 30 MB a seed, which take about a second at the first draw.

    Parameters
    ----------
    n_series : int
        Length of the source.
    seed : int
        Seed of all series.
    families : sequence of str, optional
        Names of the families of latent functions, among ``FAMILIES``; all if None.
    max_channels : int
        Largest number of channels, 1 to 50. The schema names so many.
    max_tokens : int
        Largest number of tokens of a series, 2 to 512.

    Attributes
    ----------
    schema : Schema
        Axes ``time`` and ``channel``; roles ``value`` and ``error``. Names of channels have no meaning.
    targets, lengths : None
        Synthetic series have no labels, and their lengths are not known before they are drawn.
    is_on_disk : bool
        False.
    ids : ndarray of int, shape (n_series,)
        Index of each series.

    Raises
    ------
    ValueError
        For a number outside of its range, or an unknown or repeated family.

    Examples
    --------
    >>> from rotary_mae.prior import SyntheticSeries
    >>> source = SyntheticSeries(1_000_000, seed=0)
    >>> draw = source.draw([5, 17])
    >>> len(draw.tokens), len(draw.is_query) == draw.tokens.n_tokens
    (2, True)
    """

    def __init__(
        self,
        n_series: int,
        seed: int = 0,
        *,
        families: Sequence[str] | None = None,
        max_channels: int = MAX_CHANNELS,
        max_tokens: int = MAX_TOKENS,
    ) -> None:
        _check_range("n_series", n_series, 0, 2**62)
        _check_range("max_channels", max_channels, 1, MAX_CHANNELS)
        _check_range("max_tokens", max_tokens, MIN_TOKENS, MAX_TOKENS)
        self.n_series = int(n_series)
        self.seed = int(seed)
        self.families = _check_families(families)
        self.max_channels = int(max_channels)
        self.max_tokens = int(max_tokens)
        self.targets: npt.NDArray[Any] | None = None
        self.lengths: Ints | None = None
        self.is_on_disk = False
        self.schema = Schema(
            ("time", "channel"), tuple(f"channel_{c:02d}" for c in range(max_channels)), ("value", "error")
        )

    def __len__(self) -> int:
        return self.n_series

    def __repr__(self) -> str:
        return f"SyntheticSeries({self.n_series}, seed={self.seed}, prior version {PRIOR_VERSION})"

    @property
    def ids(self) -> Ints:
        """(n_series,) index of each series."""
        return np.arange(self.n_series)

    def __getitem__(self, index: Any) -> TokenSet:
        """Return the tokens of the series of an int, slice, int array or bool array; see ``draw``."""
        return self.draw(index).tokens

    def draw(self, index: Any) -> SyntheticDraw:
        """Return series together with which of their tokens are queries.

        Parameters
        ----------
        index : int, slice, array of int or bool
            Series to draw, in any order. Batches of some hundreds are drawn fastest.

        Returns
        -------
        SyntheticDraw
            Visible tokens and queries are in one TokenSet; hide exactly the tokens with ``is_query``.

        Raises
        ------
        IndexError
            For an index outside of the source.
        """
        indices = sample_indices(index, len(self))
        streams = Streams.for_series(self.seed, indices)
        n_channels = draw_n_channels(streams, self.max_channels)
        n_tokens = draw_n_tokens(streams, n_channels, self.max_tokens)
        family = draw_main_family(streams, self.families)
        starts = np.cumsum(n_tokens) - n_tokens
        total = int(n_tokens.sum())
        values, positions, noiseless = np.empty((total, 2)), np.empty((total, 2)), np.empty(total)
        is_query, has_extra_noise = np.empty(total, bool), np.empty(len(indices), bool)
        bucket = np.searchsorted(BUCKETS, n_tokens)
        for b in np.unique(bucket):
            rows = np.flatnonzero(bucket == b)
            n = int(BUCKETS[b])
            part = self._draw_padded(streams.take(rows), n_channels[rows], n_tokens[rows], family[rows], n)
            is_token = np.arange(n) < n_tokens[rows, None]
            at = (starts[rows, None] + np.arange(n))[is_token]
            values[at] = np.stack([part.values[is_token], part.errors[is_token]], axis=1)
            positions[at] = np.stack([part.positions[is_token], part.channel[is_token]], axis=1)
            noiseless[at], is_query[at] = part.noiseless[is_token], part.is_query[is_token]
            has_extra_noise[rows] = part.has_extra_noise
        tokens = TokenSet(values, positions, n_tokens, ids=indices, schema=self.schema)
        series = np.repeat(np.arange(len(indices)), n_tokens)
        has_errors = np.bincount(series[values[:, 1] > 0], minlength=len(indices)) > 0
        return SyntheticDraw(tokens, is_query, noiseless, has_errors, has_extra_noise, n_channels, family)

    def _draw_padded(self, streams: Streams, n_channels: Ints, n_tokens: Ints, family: Ints, n: int) -> _PaddedSeries:
        """Draw series of one bucket; entries after the last token of a series have no meaning."""
        step, channel = draw_channel_layout(streams.child("layout"), n_tokens, n_channels, n)
        is_token = np.arange(n) < n_tokens[:, None]
        n_steps = count_steps(step, is_token)
        step = np.minimum(step, n_steps[:, None] - 1)
        times = take_columns(draw_times(streams.child("times"), n_steps, n), step)
        is_query, times = place_queries(streams.child("queries"), times, channel, n_channels, n_tokens)
        times, channel, is_query = sort_by_time(times, n_tokens, channel, is_query)
        signals = draw_signals(streams.child("signals"), times, channel, n_channels, family, self.families, self.seed)
        measured = measure(streams.child("measurement"), signals, channel, n_channels, n_tokens)
        span = streams.log_uniform("span of the window", 1e-2, 1e4)
        origin = streams.chance("has an origin", 0.6) * streams.log_uniform("origin", 1e-1, 1e5)
        return _PaddedSeries(
            values=measured.values,
            errors=measured.errors,
            positions=origin[:, None] + span[:, None] * times,
            channel=channel,
            noiseless=measured.noiseless,
            is_query=is_query,
            has_extra_noise=measured.has_extra_noise,
        )


@dataclass(frozen=True)
class _PaddedSeries:
    """G series padded to n tokens: arrays of shape (G, n), and ``has_extra_noise`` (G,)."""

    values: Floats
    errors: Floats
    positions: Floats
    channel: Ints
    noiseless: Floats
    is_query: Bools
    has_extra_noise: Bools


def _check_range(name: str, number: Any, low: int, high: int) -> None:
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or not low <= number <= high:
        raise ValueError(f"{name} must be a whole number from {low} to {high}, got {number!r}")


def _check_families(families: Sequence[str] | None) -> tuple[str, ...]:
    if families is None:
        return tuple(FAMILIES)
    if isinstance(families, str) or not families or len(set(families)) != len(families):
        raise ValueError(f"families must be a list of different names among {tuple(FAMILIES)}, got {families!r}")
    if unknown := [name for name in families if name not in FAMILIES]:
        raise ValueError(f"unknown families {unknown}; there are {tuple(FAMILIES)}")
    return tuple(families)
