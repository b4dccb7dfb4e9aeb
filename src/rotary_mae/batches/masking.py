"""Which tokens of each sample are hidden: vectorised, and a pure function of (seed, epoch, sample)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch

from rotary_mae._settings import check_kinds, nested
from rotary_mae.batches.keyed_random import keyed_uniform

VALIDATION_EPOCH = 2**40
"""Stands for the epoch in the draws of validation: they are the same every time, and those of no training epoch."""

Strategy = Literal["uniform", "block", "future", "channel", "times"]

STRATEGIES: tuple[str, ...] = get_args(Strategy)

Ints = npt.NDArray[np.int64]

# Set apart the draws of what is hidden next.
_NEXT_SEED = 0x9E3779B9


@dataclass(frozen=True)
class Masking:
    """How tokens are hidden.

    strategy: "uniform" any tokens (the paper); "block" a run of consecutive tokens in time; "future" the last
        ones; "channel" all tokens of some channels; "times" all tokens of some times.
    fraction: the share to hide, in [0, 1]: ceil(fraction * n) of a sample's n tokens (of its channels for
        "channel", of its distinct times for "times"), but never all of them.
    least_fraction: instead, each sample draws its share evenly between this and ``fraction``.
    then: what is hidden next, of the tokens that are still visible; or nothing.
    """

    strategy: Strategy = "uniform"
    fraction: float = 0.75
    least_fraction: float | None = None
    then: Masking | None = None

    def __post_init__(self) -> None:
        check_kinds(self)
        if self.then is not None:
            object.__setattr__(self, "then", nested(Masking, self.then, "then"))
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
    """(T,) True for hidden tokens.

    lengths: (B,). times: (T,) positions on the first axis. channels: (T,) positions on the channel axis, or
    None. is_fixed: (T,) True for tokens that always stay visible (static covariates). sample_keys: (B,) a
    number that names each sample wherever it turns up.
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
    n_hidden = np.minimum(_ceil_share(_shares(hiding, sample_keys, seed, epoch), n_units), np.maximum(n_units - 1, 0))
    if hiding.strategy == "future":
        rank = n_units[sample] - 1 - unit
    elif hiding.strategy == "block":
        first = keyed_uniform(seed, epoch, np.asarray(sample_keys, np.int64), 1) * (n_units - n_hidden + 1)
        rank = np.where(unit < first.astype(np.int64)[sample], n_units[sample], unit - first.astype(np.int64)[sample])
    else:
        # tokens are keyed by their rank in time, so the same tokens are hidden in whatever order they come
        rank = _dense_rank(sample, keyed_uniform(seed, epoch, keys, 2 + unit))
    is_hidden = np.zeros(len(times), bool)
    is_hidden[free] = rank < n_hidden[sample]
    if hiding.then is not None:
        # as if what is hidden already were not there; with other draws
        is_hidden |= draw_mask(
            hiding.then, lengths, times, channels, ~free | is_hidden, sample_keys, (seed + _NEXT_SEED) % 2**63, epoch
        )
    return is_hidden


def _shares(hiding: Masking, sample_keys: Ints, seed: int, epoch: int) -> float | npt.NDArray[np.float64]:
    """The fraction to hide, of all samples or of each."""
    if hiding.least_fraction is None:
        return hiding.fraction
    draw = keyed_uniform(seed, epoch, np.asarray(sample_keys, np.int64), 0)
    return hiding.least_fraction + (hiding.fraction - hiding.least_fraction) * draw


def _ceil_share(fraction: float | npt.NDArray[np.float64], n: Ints) -> Ints:
    # 0.7 * 10 is 7.000000000000001 in floating point, and is meant to be 7
    return np.ceil(np.round(fraction * n, 9)).astype(np.int64)


def order_in_time(sample: Ints, time: npt.NDArray[np.floating], channel: npt.NDArray[np.floating] | None) -> Ints:
    """(T,) 0, 1, 2, ... within each sample by time, then by channel; ties of both in token order."""
    order = np.lexsort((time, sample) if channel is None else (channel, time, sample))
    position = np.arange(len(sample)) - np.searchsorted(sample[order], sample[order])
    rank = np.empty(len(sample), np.int64)
    rank[order] = position
    return rank


def _dense_rank(sample: Ints, key: npt.NDArray[np.floating]) -> Ints:
    """(T,) rank of ``key`` among the distinct ones of the token's sample, from 0."""
    order = np.lexsort((key, sample))
    is_first = np.r_[True, np.diff(sample[order]) != 0] if len(sample) else np.zeros(0, bool)
    is_new = is_first | np.r_[True, np.diff(key[order]) != 0] if len(sample) else is_first
    count = np.cumsum(is_new) - 1
    rank = np.empty(len(sample), np.int64)
    rank[order] = count - np.maximum.accumulate(np.where(is_first, count, 0))
    return rank


def seed_from(generator: torch.Generator | np.random.Generator | None) -> int:
    """A seed from a torch or numpy generator, or from fresh entropy if None."""
    if generator is None or isinstance(generator, torch.Generator):
        return int(torch.randint(2**62, (), generator=generator))
    if isinstance(generator, np.random.Generator):
        return int(generator.integers(2**62))
    raise TypeError(f"generator must be a torch.Generator or numpy Generator, got {type(generator).__name__}")
