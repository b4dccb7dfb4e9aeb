"""Several channels from few latent functions: linear coregionalisation with lags and channel-specific processes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rotary_mae.prior.families import draw_functions
from rotary_mae.prior.gaussian_processes import draw_gaussian_process
from rotary_mae.prior.random_streams import Floats, Ints, Streams, take_columns

MAX_LATENTS = 4
MAX_LAG = 0.2
"""Largest lag of a channel, in windows."""


@dataclass(frozen=True)
class Coregionalisation:
    """Channels of G series as linear combinations of latent functions.

    The signal of channel c at time t is ``sum_k weights[c, k] f_k(t - lag[c]) + own_weight[c] g_c(t)``, where ``g_c``
    are independent functions of one Gaussian process.

    Attributes
    ----------
    n_latents : ndarray of int, shape (G,)
        Number of latent functions, 1 to ``MAX_LATENTS``.
    weights : ndarray, shape (G, C, MAX_LATENTS)
        Weights, of Euclidean norm 1 for each channel, or 0 for the 2 % of constant channels. Those of unused latent
        functions are 0.
    own_weight : ndarray, shape (G, C)
        Weights of the channel-specific processes.
    lag : ndarray, shape (G, C)
        Lags in windows.
    """

    n_latents: Ints
    weights: Floats
    own_weight: Floats
    lag: Floats


def draw_coregionalisation(streams: Streams, n_channels: Ints) -> Coregionalisation:
    """Return random coregionalisations.

    Parameters
    ----------
    streams : Streams
        G streams.
    n_channels : ndarray of int, shape (G,)
        Channels of each series; C below is the largest.

    Returns
    -------
    Coregionalisation
        Of series of several channels, 40 % have similar weights in all channels, 40 % independent normal weights
        and 20 % one latent function a channel; 50 % have channel-specific processes and 30 % have lags.
    """
    is_single = n_channels == 1
    width = int(n_channels.max(initial=1))
    n_latents = 1 + np.where(
        is_single,
        streams.choice("latents of one channel", (0.75, 0.20, 0.05)),
        streams.choice("latents of channels", (0.35, 0.30, 0.20, 0.15)),
    )
    is_used = np.arange(MAX_LATENTS) < n_latents[:, None]
    size = is_used * streams.log_uniform("sizes of the latents", 0.2, 1.0, (MAX_LATENTS,))
    normal = streams.normal("weights", (width, MAX_LATENTS))
    similar = streams.sign("signs of the latents", (MAX_LATENTS,))[:, None] + 0.3 * normal
    one_each = np.arange(width)[:, None] % n_latents[:, None, None] == np.arange(MAX_LATENTS)
    kind = np.where(is_single, 0, streams.choice("kind of weights", (0.4, 0.4, 0.2)))[:, None, None]
    weights = size[:, None] * np.where(kind == 0, similar, np.where(kind == 1, normal, one_each))
    weights /= np.sqrt(np.square(weights).sum(axis=2, keepdims=True))
    weights *= ~streams.chance("is constant", 0.02, (width,))[:, :, None]
    has_own = streams.chance("has channel-specific processes", 0.5) & ~is_single
    own_weight = has_own[:, None] * streams.log_uniform("weights of the own processes", 0.05, 1.0, (width,))
    has_lags = streams.chance("has lags", 0.3) & ~is_single
    lag = streams.log_uniform("size of the lags", 0.005, 0.15)[:, None] * streams.normal("lags", (width,))
    return Coregionalisation(n_latents, weights, own_weight, has_lags[:, None] * np.clip(lag, -MAX_LAG, MAX_LAG))


def draw_signals(
    streams: Streams,
    times: Floats,
    channel: Ints,
    n_channels: Ints,
    main_family: Ints,
    names: tuple[str, ...],
    seed: int,
) -> Floats:
    """Draw the signals of series, without noise and in standard units.

    Parameters
    ----------
    streams : Streams
        G streams.
    times : ndarray, shape (G, N)
        Time of each token in windows.
    channel : ndarray of int, shape (G, N)
        Channel of each token.
    n_channels, main_family : ndarray of int, shape (G,)
        Channels and main family of each series.
    names : tuple of str
        Families that may be drawn.
    seed : int
        Seed of the stored solutions of differential equations.

    Returns
    -------
    ndarray, shape (G, N)
        Signals of a standard deviation of about 1. In 60 % of the series of several channels the latent functions
        share what their families call shared draws: periods, starts, kernels.
    """
    mixing = draw_coregionalisation(streams, n_channels)
    shifted = times - take_columns(mixing.lag, channel)
    is_shared = streams.chance("latents share draws", 0.6) & (n_channels > 1)
    series, latent = np.nonzero(np.arange(MAX_LATENTS) < mixing.n_latents[:, None])
    parents = streams.take(series)
    own = parents.child("latent function", latent).sharing(parents, is_shared[series])
    functions = draw_functions(own, shifted[series], main_family[series], names, seed)
    signals = np.zeros_like(times)
    for k in range(MAX_LATENTS):
        rows = series[latent == k]
        weight = take_columns(np.ascontiguousarray(mixing.weights[rows, :, k]), channel[rows])
        signals[rows] += weight * functions[latent == k]
    rows = np.flatnonzero(mixing.own_weight.any(axis=1))
    if len(rows):
        own_process = draw_gaussian_process(streams.take(rows).child("own process"), times[rows], channel[rows])
        signals[rows] += take_columns(mixing.own_weight[rows], channel[rows]) * own_process
    return signals
