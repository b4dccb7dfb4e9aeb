"""Measurement of signals: links, noise, known errors, outliers, rounding, levels and scales."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, ndtri, pdtr, pdtrik

from rotary_mae.prior.random_streams import Bools, Floats, Ints, Streams, take_columns

LINKS: dict[str, float] = {
    "identity": 0.66,
    "positive": 0.10,
    "bounded": 0.05,
    "clipped": 0.05,
    "counts": 0.07,
    "ordinal": 0.05,
    "binary": 0.02,
}
"""Links from signals to values and their probabilities."""

_IDENTITY, _POSITIVE, _BOUNDED, _CLIPPED, _COUNTS, _ORDINAL, _BINARY = range(len(LINKS))

LARGEST_SIGNAL = 8.0
"""Signals are clipped to plus or minus this where a link is exponential."""

LEAST_CONTRAST = 0.05
"""Noise is relative to the standard deviation of the signal over its tokens, but at least to this."""

_LARGEST_POISSON_RATE = 1000.0
"""Above this rate, counts are rounded normal numbers; the distribution functions then differ by less than 0.01."""


@dataclass(frozen=True)
class Measurements:
    """Measured values of G series with n entries each.

    Attributes
    ----------
    values : ndarray, shape (G, n)
        Measured values.
    errors : ndarray, shape (G, n)
        Known standard deviation of the noise of each value; 0 where none is given.
    noiseless : ndarray, shape (G, n)
        Values without noise, outliers and rounding. For counts, their expectation.
    has_extra_noise : ndarray of bool, shape (G,)
        True where there is noise beyond the known errors, or outliers or rounding.
    link : ndarray of int, shape (G, n)
        Index into ``LINKS`` of each value.
    """

    values: Floats
    errors: Floats
    noiseless: Floats
    has_extra_noise: Bools
    link: Ints


@dataclass(frozen=True)
class _Noise:
    """Noise in units of the signal (G, n): known standard deviations, and the noise itself."""

    known_std: Floats
    noise: Floats
    contrast: Floats  # (G, 1)
    has_unknown: Bools  # (G,)


def measure(streams: Streams, signals: Floats, channel: Ints, n_channels: Ints, n_tokens: Ints) -> Measurements:
    """Measure signals.

    Parameters
    ----------
    streams : Streams
        G streams.
    signals : ndarray, shape (G, n)
        Signals without noise, with a standard deviation of about 1.
    channel : ndarray of int, shape (G, n)
        Channel of each token.
    n_channels, n_tokens : ndarray of int, shape (G,)
        Channels and tokens of each series.

    Returns
    -------
    Measurements
        All finite. 40 % of the series have known errors, in the channels whose link is ``identity`` or ``positive``.
    """
    width = int(n_channels.max(initial=1))
    link = take_columns(_draw_links(streams, width), channel)
    noise = _draw_noise(streams, signals, channel, n_tokens, width)
    values, noiseless, slope = _apply_links(streams, link, signals, noise.noise)
    is_smooth = link <= _POSITIVE
    errors = np.where(is_smooth, slope * noise.known_std, 0.0)
    outliers, has_outliers = _draw_outliers(streams, signals.shape[1])
    values += np.where(is_smooth, slope * noise.contrast * outliers, 0.0)
    scale, level = _draw_scales(streams, link, channel, width)
    values, noiseless, errors = level + scale * values, level + scale * noiseless, scale * errors
    is_rounded = streams.chance("is rounded", 0.15)
    size = scale * noise.contrast * streams.log_uniform("size of the rounding", 0.02, 1.0)[:, None]
    step = _round_number(size, streams.choice("first digit of the step", (1, 1, 1))[:, None])
    rounded = np.round(values / step) * step
    values = np.where(is_rounded[:, None] & is_smooth, rounded, values)
    return Measurements(values, errors, noiseless, noise.has_unknown | has_outliers | is_rounded, link)


def _draw_links(streams: Streams, width: int) -> Ints:
    """(G, width) link of each channel: one link in 80 % of the series, else a random one a channel."""
    weights = list(LINKS.values())
    is_mixed = streams.chance("channels have different links", 0.2)[:, None]
    each = streams.choice("links of the channels", weights, (width,))
    return np.where(is_mixed, each, streams.choice("link", weights)[:, None])


def _draw_noise(streams: Streams, signals: Floats, channel: Ints, n_tokens: Ints, width: int) -> _Noise:
    shape = signals.shape[1:]
    contrast = np.maximum(_std(signals, n_tokens), LEAST_CONTRAST)[:, None]
    has_noise = streams.chance("has noise", 0.85)[:, None]
    ratio = np.exp(0.3 * streams.normal("noise of the channels", (width,)))
    size = streams.log_uniform("size of the noise", 0.005, 1.0)[:, None]
    std = has_noise * size * contrast * take_columns(ratio, channel)
    is_known = has_noise[:, 0] & streams.chance("errors are known", 0.47)
    varies = np.where(is_known, streams.chance("errors vary", 0.8), streams.chance("noise varies", 0.2))
    variation = varies * streams.log_uniform("variation of the errors", 0.1, 0.8)
    std = std * np.exp(variation[:, None] * streams.normal("sizes of the errors", shape))
    noise = std * streams.normal("noise", shape)
    heavy = np.flatnonzero(~is_known & streams.chance("noise has a heavy tail", 0.15))
    if len(heavy):
        # Student's t with 4 degrees of freedom
        squares = np.square(streams.take(heavy).normal("chi-squared noise", (*shape, 4))).sum(axis=2)
        noise[heavy] *= np.sqrt(4 / np.maximum(squares, 1e-3))
    has_extra = is_known & streams.chance("has noise beyond the errors", 0.25)
    extra = has_extra[:, None] * streams.log_uniform("size of the other noise", 0.01, 0.5)[:, None] * contrast
    noise += extra * streams.normal("other noise", shape)
    return _Noise(is_known[:, None] * std, noise, contrast, (has_noise[:, 0] & ~is_known) | has_extra)


def _apply_links(streams: Streams, link: Ints, signals: Floats, noise: Floats) -> tuple[Floats, Floats, Floats]:
    """Values with and without noise, and the factor from noise of the signal to noise of the value; (G, n) each."""
    n = signals.shape[1]
    values, noiseless, slope = signals + noise, signals.copy(), np.ones_like(signals)
    rate = streams.uniform("exponent of the link", 0.2, 1.0)
    is_relative = streams.chance("noise is relative", 0.5)
    clipped = np.clip(signals, -LARGEST_SIGNAL, LARGEST_SIGNAL)

    row, at = np.nonzero(link == _POSITIVE)
    noiseless[row, at] = np.exp(rate[row] * clipped[row, at])
    slope[row, at] = rate[row] * np.where(is_relative[row], noiseless[row, at], 1.0)
    values[row, at] = noiseless[row, at] + slope[row, at] * noise[row, at]

    row, at = np.nonzero(link == _BOUNDED)
    gain = streams.log_uniform("gain", 0.5, 4.0)
    noiseless[row, at] = expit(gain[row] * signals[row, at])
    values[row, at] = expit(gain[row] * (signals + noise)[row, at])

    row, at = np.nonzero(link == _CLIPPED)
    low = np.where(streams.chance("has a lower limit", 0.7), streams.uniform("lower limit", -1.5, 0.0), -np.inf)
    high = np.where(streams.chance("has an upper limit", 0.5), streams.uniform("upper limit", 0.0, 1.5), np.inf)
    noiseless[row, at] = np.clip(signals[row, at], low[row], high[row])
    values[row, at] = np.clip((signals + noise)[row, at], low[row], high[row])

    row, at = np.nonzero(link == _COUNTS)
    mean = streams.log_uniform("mean count", 0.2, 300.0)
    noiseless[row, at] = mean[row] * np.exp(rate[row] * clipped[row, at])
    if len(row):
        values[row, at] = poisson_counts(streams.uniform("counts", shape=(n,))[row, at], noiseless[row, at])

    row, at = np.nonzero(link == _ORDINAL)
    number = streams.integers("number of levels", 3, 16)
    lowest = streams.integers("lowest level", 0, 4)
    for target, source in ((noiseless, signals), (values, signals + noise)):
        target[row, at] = lowest[row] + np.floor(number[row] * expit(1.5 * source[row, at]))

    row, at = np.nonzero(link == _BINARY)
    threshold = streams.uniform("threshold", -1.0, 1.0)
    for target, source in ((noiseless, signals), (values, signals + noise)):
        target[row, at] = source[row, at] > threshold[row]
    return values, noiseless, slope


def poisson_counts(uniform: Floats, rate: Floats) -> Floats:
    """Return Poisson counts by inversion of the distribution function.

    Parameters
    ----------
    uniform : ndarray, shape (K,)
        Numbers between 0 and 1.
    rate : ndarray, shape (K,)
        Positive expectations. Above 1000, rounded normal numbers take the place of counts.

    Returns
    -------
    ndarray, shape (K,)
        Whole numbers.
    """
    small = np.minimum(rate, _LARGEST_POISSON_RATE)
    upper = np.ceil(np.maximum(np.nan_to_num(pdtrik(uniform, small)), 0.0))
    lower = np.maximum(upper - 1, 0.0)
    exact = np.where(pdtr(lower, small) >= uniform, lower, upper)
    normal = np.maximum(np.round(rate + np.sqrt(rate) * ndtri(uniform)), 0.0)
    return np.where(rate > _LARGEST_POISSON_RATE, normal, exact)


def _draw_outliers(streams: Streams, n: int) -> tuple[Floats, Bools]:
    """(G, n) outliers in units of the contrast, mostly 0, and the series (G,) that may have some."""
    has_outliers = streams.chance("has outliers", 0.1)
    rate = has_outliers * streams.log_uniform("rate of the outliers", 0.005, 0.1)
    is_one_sided = streams.chance("outliers have one sign", 0.3)[:, None]
    sign = np.where(is_one_sided, streams.sign("sign of the outliers")[:, None], streams.sign("signs", (n,)))
    size = streams.log_uniform("size of the outliers", 2.0, 10.0)[:, None] * streams.log_uniform(
        "sizes", 0.5, 2.0, (n,)
    )
    return streams.chance("is an outlier", rate, (n,)) * sign * size, has_outliers


def _draw_scales(streams: Streams, link: Ints, channel: Ints, width: int) -> tuple[Floats, Floats]:
    """Scale and level of each value (G, n), which keep counts and levels whole and positive values positive."""
    is_similar = streams.chance("channels have similar scales", 0.5)[:, None]
    each = streams.normal("scales of the channels", (width,))
    ratio = np.exp(np.where(is_similar, 0.3, 2.0) * each)
    scale = take_columns(streams.log_uniform("scale", 1e-3, 1e4)[:, None] * ratio, channel)
    kind = streams.choice("kind of level", (0.25, 0.45, 0.30))
    large = streams.log_uniform("size of the level", 3.0, 300.0)
    size = np.where(kind == 0, 0.0, np.where(kind == 1, 3.0, large))[:, None]
    common = streams.normal("level")[:, None]
    other = streams.normal("levels of the channels", (width,))
    level = take_columns(size * np.where(is_similar, common + 0.1 * other, other), channel) * scale
    kind = streams.choice("scale of bounded values", (1, 1, 1))[:, None]
    bounded_scale = np.where(kind == 0, 1.0, np.where(kind == 1, 100.0, scale))
    scale = np.where(link >= _COUNTS, 1.0, np.where(link == _BOUNDED, bounded_scale, scale))
    keeps_zero = (link == _POSITIVE) | (link == _BOUNDED) | (link >= _COUNTS)
    return scale, np.where(keeps_zero, 0.0, level)


def _round_number(size: Floats, digit: Ints) -> Floats:
    """The power of ten at or below ``size``, times 1, 2 or 5."""
    return 10.0 ** np.floor(np.log10(size)) * np.array([1.0, 2.0, 5.0])[digit]


def _std(signals: Floats, n_tokens: Ints) -> Floats:
    """(G,) standard deviation of the first ``n_tokens`` signals of each row."""
    is_token = np.arange(signals.shape[1]) < n_tokens[:, None]
    mean = np.where(is_token, signals, 0.0).sum(axis=1) / n_tokens
    return np.sqrt(np.where(is_token, np.square(signals - mean[:, None]), 0.0).sum(axis=1) / n_tokens)
