"""Random masks: the tokens of each sample to hide, as a pure function of (seed, epoch, sample)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch

from rotary_mae._settings import as_settings, check_types
from rotary_mae.batches.keyed_random import keyed_uniform

VALIDATION_EPOCH = 2**40
"""Epoch number of masks for validation: the same masks every time, and not those of any training epoch."""

Strategy = Literal["uniform", "block", "future", "channel", "times"]

STRATEGIES: tuple[str, ...] = get_args(Strategy)

Ints = npt.NDArray[np.int64]

_NEXT_SEED = 0x9E3779B9
"""Added to the seed for the masks of ``Masking.then``, so that they do not depend on the first masks."""


@dataclass(frozen=True)
class Masking:
    """Settings of random masks.

    Parameters
    ----------
    strategy : {"uniform", "block", "future", "channel", "times"}
        Tokens to mask: any tokens (the paper), a run of consecutive tokens in time, the last tokens, all tokens of some
        channels, or all tokens of some times.
    fraction : float
        Fraction to mask, in [0, 1]: ceil(fraction * n) of the n tokens of a sample, but never all of them. For
        "channel", n is the number of channels in the sample; for "times", the number of different times.
    least_fraction : float, optional
        If given, the fraction of each sample is drawn uniformly between this and ``fraction``.
    then : Masking, optional
        Second mask, on the tokens that the first leaves visible.

    Raises
    ------
    ValueError
        If a setting is not valid.
    """

    strategy: Strategy = "uniform"
    fraction: float = 0.75
    least_fraction: float | None = None
    then: Masking | None = None

    def __post_init__(self) -> None:
        check_types(self)
        if self.then is not None:
            object.__setattr__(self, "then", as_settings(Masking, self.then, "then"))
        if self.strategy not in STRATEGIES:
            raise ValueError(f"the hiding strategy must be one of {STRATEGIES}, got {self.strategy!r}")
        if not 0.0 <= self.fraction <= 1.0:
            raise ValueError(f"the fraction to hide must be in [0, 1], got {self.fraction}")
        if self.least_fraction is not None and not 0.0 <= self.least_fraction <= self.fraction:
            raise ValueError(
                f"least_fraction must be between 0 and fraction = {self.fraction}, got {self.least_fraction}"
            )


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
        (T,) bool, True for tokens that are never masked nor counted (static covariates).
    sample_keys : array
        (B,) whole number that identifies each sample. A sample has the same mask in every batch.
    seed, epoch : int
        Other masks for other numbers.

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
        raise ValueError("hiding by channel needs a channel axis: use layout='measurements' or another strategy")
    free = np.ones(len(times), bool) if is_fixed is None else ~is_fixed
    sample = np.repeat(np.arange(len(lengths)), lengths)[free]
    keys, time = np.asarray(sample_keys, np.int64)[sample], times[free]
    if hiding.strategy == "times":
        unit = _dense_rank(sample, time)
    elif hiding.strategy == "channel" and channels is not None:
        unit = _dense_rank(sample, channels[free])
    else:
        unit = order_in_time(sample, time, None if channels is None else channels[free])
    n_units = np.zeros(len(lengths), np.int64)
    np.maximum.at(n_units, sample, unit + 1)
    n_hidden = _ceil_product(_fractions(hiding, sample_keys, seed, epoch), n_units)
    n_hidden = np.minimum(n_hidden, np.maximum(n_units - 1, 0))
    if hiding.strategy == "future":
        rank = n_units[sample] - 1 - unit
    elif hiding.strategy == "block":
        first = keyed_uniform(seed, epoch, np.asarray(sample_keys, np.int64), 1) * (n_units - n_hidden + 1)
        rank = np.where(unit < first.astype(np.int64)[sample], n_units[sample], unit - first.astype(np.int64)[sample])
    else:
        # keyed by rank in time, so that the mask does not depend on the order of the tokens
        rank = _dense_rank(sample, keyed_uniform(seed, epoch, keys, 2 + unit))
    is_hidden = np.zeros(len(times), bool)
    is_hidden[free] = rank < n_hidden[sample]
    if hiding.then is not None:
        # masked tokens are not counted in the second mask, as if they did not exist
        is_hidden |= draw_mask(
            hiding.then, lengths, times, channels, ~free | is_hidden, sample_keys, (seed + _NEXT_SEED) % 2**63, epoch
        )
    return is_hidden


def _fractions(hiding: Masking, sample_keys: Ints, seed: int, epoch: int) -> float | npt.NDArray[np.float64]:
    """Return the fraction to mask, one number or (B,)."""
    if hiding.least_fraction is None:
        return hiding.fraction
    draw = keyed_uniform(seed, epoch, np.asarray(sample_keys, np.int64), 0)
    return hiding.least_fraction + (hiding.fraction - hiding.least_fraction) * draw


def _ceil_product(fraction: float | npt.NDArray[np.float64], n: Ints) -> Ints:
    """Return ceil(fraction * n), exact to rounding: 0.7 * 10 is 7.000000000000001 in floating point, and gives 7."""
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
        return int(torch.randint(2**62, (), generator=generator))
    if isinstance(generator, np.random.Generator):
        return int(generator.integers(2**62))
    raise TypeError(f"generator must be a torch.Generator or numpy Generator, got {type(generator).__name__}")
