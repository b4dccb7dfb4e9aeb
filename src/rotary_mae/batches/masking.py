"""Random masks: the tokens of each sample to mask, as a pure function of (seed, epoch, sample)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch

from rotary_mae._settings import as_settings, check_types, is_sequence
from rotary_mae.batches.keyed_random import keyed_uniform

VALIDATION_EPOCH = 2**40
"""Epoch number of masks for validation: the same masks every time, and not those of any training epoch."""

Strategy = Literal["uniform", "block", "future", "channel", "times", "cells"]

STRATEGIES: tuple[str, ...] = get_args(Strategy)

Ints = npt.NDArray[np.int64]

_NEXT_SEED = 0x9E3779B9
"""Added to the seed for the masks of ``Masking.then``, so that they do not depend on the first masks. Not tuned."""

_FRACTION_KEY, _BLOCK_KEY, _FIRST_TOKEN_KEY = 0, 1, 2
"""Last keys of the random numbers of a sample: for its fraction, its block, and its tokens from the first on."""

_CHOICE_KEY = -1
"""Key of the draw between a masking and its alternatives; the keys of fractions and tokens are 0 and above."""


@dataclass(frozen=True)
class Masking:
    """Settings of random masks.

    Parameters
    ----------
    strategy : {"uniform", "block", "future", "channel", "times", "cells"}
        Tokens to mask: any tokens (the paper), a run of consecutive tokens in time, the last tokens, all tokens of some
        channels, or all tokens of some times. "cells" masks single values of time steps, where steps have flags of
        observed values: what is left of the step stays visible. It is "uniform" where a token has no such flags.
    fraction : float
        Fraction to mask, in [0, 1]: ceil(fraction * n) of the n tokens of a sample, but never all of them. For
        "channel", n is the number of channels in the sample; for "times", the number of different times.
    least_fraction : float, optional
        If given, the fraction of each sample is drawn uniformly between this and ``fraction``.
    then : Masking, optional
        Second mask, on the tokens that the first leaves visible.
    alternatives : sequence of Masking
        Other maskings. Each sample draws one of them or this one, all with the same probability, and is masked by it
        alone. A masking that is listed twice is drawn twice as often.

    Raises
    ------
    ValueError
        If a setting is not valid.
    """

    strategy: Strategy = "uniform"
    fraction: float = 0.75
    least_fraction: float | None = None
    then: Masking | None = None
    alternatives: tuple[Masking, ...] = ()

    def __post_init__(self) -> None:
        check_types(self)
        if not is_sequence(self.alternatives):
            raise ValueError(f"alternatives must be a list of maskings, got {self.alternatives!r}")
        alternatives = tuple(as_settings(Masking, given, "alternatives") for given in self.alternatives)
        object.__setattr__(self, "alternatives", alternatives)
        if self.then is not None:
            object.__setattr__(self, "then", as_settings(Masking, self.then, "then"))
        if self.strategy not in STRATEGIES:
            raise ValueError(f"the masking strategy must be one of {STRATEGIES}, got {self.strategy!r}")
        if not 0.0 <= self.fraction <= 1.0:
            raise ValueError(f"the fraction to mask must be in [0, 1], got {self.fraction}")
        if self.least_fraction is not None and not 0.0 <= self.least_fraction <= self.fraction:
            raise ValueError(
                f"least_fraction must be between 0 and fraction = {self.fraction}, got {self.least_fraction}"
            )

    @property
    def strategies(self) -> frozenset[str]:
        """Names of all strategies that samples are masked with: those of second masks and of alternatives too."""
        others = (*self.alternatives, *filter(None, [self.then]))
        return frozenset({self.strategy}).union(*(other.strategies for other in others))


def draw_mask(
    hiding: Masking,
    lengths: Ints,
    times: npt.NDArray[np.floating],
    channels: npt.NDArray[np.floating] | None,
    is_fixed: npt.NDArray[np.bool_] | None,
    sample_keys: Ints,
    seed: int,
    epoch: int = 0,
) -> npt.NDArray[np.bool_]:
    """Draw a mask for each sample of a batch.

    Parameters
    ----------
    hiding : Masking
        Settings of the masks.
    lengths : array
        (B,) tokens of each sample.
    times : array
        (T,) positions on the axis of time.
    channels : array or None
        (T,) positions on the channel axis.
    is_fixed : array or None
        (T,) bool, True for tokens that are never masked and not counted (static covariates).
    sample_keys : array
        (B,) integer that identifies each sample. A sample has the same mask in every batch.
    seed, epoch : int
        Different numbers give different masks.

    Returns
    -------
    array
        (T,) bool, True for masked tokens.

    Raises
    ------
    ValueError
        If the strategy is "channel" and there is no channel axis.
    """
    if hiding.strategy == "channel" and channels is None:
        raise ValueError("masking by channel needs a channel axis: use layout='measurements' or another strategy")
    if hiding.alternatives:
        each = (replace(hiding, alternatives=()), *hiding.alternatives)
        masks = [draw_mask(one, lengths, times, channels, is_fixed, sample_keys, seed, epoch) for one in each]
        draw = keyed_uniform(seed, epoch, np.asarray(sample_keys, np.int64), _CHOICE_KEY)
        chosen = np.repeat((draw * len(each)).astype(np.int64), lengths)
        return np.stack(masks)[chosen, np.arange(len(times))]
    can_mask = np.ones(len(times), bool) if is_fixed is None else ~is_fixed
    sample, keys = np.repeat(np.arange(len(lengths)), lengths)[can_mask], np.asarray(sample_keys, np.int64)
    unit = _units(hiding.strategy, sample, times[can_mask], None if channels is None else channels[can_mask])
    n_units = np.zeros(len(lengths), np.int64)
    np.maximum.at(n_units, sample, unit + 1)
    n_hidden = _ceil_product(_fractions(hiding, keys, seed, epoch), n_units)
    n_hidden = np.minimum(n_hidden, np.maximum(n_units - 1, 0))
    if hiding.strategy == "future":
        rank = n_units[sample] - 1 - unit
    elif hiding.strategy == "block":
        first = (keyed_uniform(seed, epoch, keys, _BLOCK_KEY) * (n_units - n_hidden + 1)).astype(np.int64)[sample]
        rank = np.where(unit < first, n_units[sample], unit - first)
    else:
        rank = _dense_rank(sample, keyed_uniform(seed, epoch, keys[sample], _FIRST_TOKEN_KEY + unit))
    is_hidden = np.zeros(len(times), bool)
    is_hidden[can_mask] = rank < n_hidden[sample]
    if hiding.then is not None:
        # tokens that the first mask masks are not counted in the second mask
        is_fixed, seed = ~can_mask | is_hidden, (seed + _NEXT_SEED) % 2**63
        is_hidden |= draw_mask(hiding.then, lengths, times, channels, is_fixed, keys, seed, epoch)
    return is_hidden


def _units(
    strategy: Strategy, sample: Ints, time: npt.NDArray[np.floating], channel: npt.NDArray[np.floating] | None
) -> Ints:
    """Return the index (T,), from 0 in each sample, of the channel, the time or the token that is masked as a whole.

    Tokens are counted in the order of time, so that a mask does not depend on the order of the tokens.
    """
    if strategy == "times":
        return _dense_rank(sample, time)
    if strategy == "channel" and channel is not None:
        return _dense_rank(sample, channel)
    return order_in_time(sample, time, channel)


def _fractions(hiding: Masking, keys: Ints, seed: int, epoch: int) -> float | npt.NDArray[np.float64]:
    """Return the fraction to mask, one number or (B,)."""
    if hiding.least_fraction is None:
        return hiding.fraction
    draw = keyed_uniform(seed, epoch, keys, _FRACTION_KEY)
    return hiding.least_fraction + (hiding.fraction - hiding.least_fraction) * draw


def _ceil_product(fraction: float | npt.NDArray[np.float64], n: Ints) -> Ints:
    """Return ceil(fraction * n) without rounding errors: 7 for 0.7 * 10, which is 7.000000000000001 in floats."""
    return np.ceil(np.round(fraction * n, 9)).astype(np.int64)


def order_in_time(sample: Ints, time: npt.NDArray[np.floating], channel: npt.NDArray[np.floating] | None) -> Ints:
    """Return the rank of each token within its sample, by time, then by channel, then by token order.

    Parameters
    ----------
    sample : array
        (T,) sample of each token.
    time : array
        (T,).
    channel : array or None
        (T,).

    Returns
    -------
    array
        (T,) ranks from 0 within each sample.
    """
    order = np.lexsort((time, sample) if channel is None else (channel, time, sample))
    rank = np.empty(len(sample), np.int64)
    rank[order] = np.arange(len(sample)) - np.searchsorted(sample[order], sample[order])
    return rank


def _dense_rank(sample: Ints, key: npt.NDArray[np.floating]) -> Ints:
    """Return the rank (T,) of each key among the different keys of its sample, from 0."""
    order = np.lexsort((key, sample))
    is_first = np.r_[True, np.diff(sample[order]) != 0] if len(sample) else np.zeros(0, bool)
    is_new = is_first | np.r_[True, np.diff(key[order]) != 0] if len(sample) else is_first
    count = np.cumsum(is_new) - 1
    rank = np.empty(len(sample), np.int64)
    rank[order] = count - np.maximum.accumulate(np.where(is_first, count, 0))
    return rank


def seed_from(generator: torch.Generator | np.random.Generator | None) -> int:
    """Draw a seed.

    Parameters
    ----------
    generator : torch.Generator, numpy.random.Generator or None
        Source of the draw. None: the global generator of torch.

    Returns
    -------
    int
        In [0, 2**62).

    Raises
    ------
    TypeError
        If ``generator`` is anything else.
    """
    if generator is None or isinstance(generator, torch.Generator):
        device = "cpu" if generator is None else generator.device
        return int(torch.randint(2**62, (), generator=generator, device=device))
    if isinstance(generator, np.random.Generator):
        return int(generator.integers(2**62))
    raise TypeError(f"generator must be a torch.Generator or numpy Generator, got {type(generator).__name__}")
