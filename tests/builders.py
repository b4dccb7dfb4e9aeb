"""Small random token sets and models, and a measure of work, for tests of properties."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import numpy as np
import torch

import rotary_mae as rm
from rotary_mae.data.schema import Schema

RAGGED = (7, 1, 12, 3, 9, 2)


def some_tokens(
    lengths: Sequence[int] = RAGGED, *, n_values: int = 2, n_axes: int = 1, seed: int = 0, span: float = 20.0
) -> rm.TokenSet:
    """Return random values at random real positions, in no order."""
    rng = np.random.default_rng(seed)
    n = sum(lengths)
    axes = tuple(f"axis{i}" for i in range(n_axes))
    return rm.TokenSet(rng.normal(size=(n, n_values)), rng.uniform(1, span, (n, n_axes)), lengths, axes=axes)


def some_measurements(
    lengths: Sequence[int] = RAGGED,
    *,
    channels: Sequence[str] = ("g", "r", "i"),
    statics: Sequence[str] = (),
    has_error: bool = False,
    seed: int = 0,
) -> rm.TokenSet:
    """Return series of several channels at sorted times, after the static covariates of each sample.

    ``lengths`` counts measurements without static covariates.
    """
    rng = np.random.default_rng(seed)
    values, positions = [], []
    for n in lengths:
        times = np.sort(rng.uniform(59_000, 59_100, n))
        channel = rng.integers(len(channels), size=n)
        static = len(channels) + np.arange(len(statics))
        positions.append(np.column_stack([np.r_[np.full(len(statics), times[0]), times], np.r_[static, channel]]))
        values.append(rng.normal(10 * positions[-1][:, 1], 1 + positions[-1][:, 1]))
    columns = [np.concatenate(values)]
    if has_error:
        columns.append(rng.uniform(0.1, 0.3, len(columns[0])))
    return rm.TokenSet(
        np.column_stack(columns),
        np.concatenate(positions),
        np.asarray(lengths) + len(statics),
        schema=Schema(("time", "channel"), tuple(channels), ("value", "error")[: len(columns)], statics=tuple(statics)),
    )


def small_config(**changes: Any) -> rm.RoMAEConfig:
    """Return the configuration of a model with a few thousand weights."""
    decoder = {"width": 12, "heads": 1, "depth": 2, "hidden": 20}
    given = {"n_values": 2, "n_axes": 1, "width": 24, "heads": 2, "depth": 2, "hidden": 40, "decoder": decoder}
    return rm.RoMAEConfig(**{**given, **changes})


def loud(model: torch.nn.Module, seed: int = 0) -> Any:
    """Return the model in evaluation mode with weights so large that every token, position and parameter matters."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.4)
    return model.eval()


def shuffled_within(tokens: rm.TokenSet, seed: int = 0) -> np.ndarray:
    """Return an order (T,) of the tokens that leaves every token in its sample."""
    rng = np.random.default_rng(seed)
    return np.lexsort((rng.random(tokens.n_tokens), tokens.sample_idx))


def in_order(tokens: rm.TokenSet, order: np.ndarray) -> rm.TokenSet:
    """Return the tokens in another order."""
    return tokens.replace(values=tokens.values[order], positions=tokens.positions[order])


def count_calls(function: Callable[[], object]) -> int:
    """Return the number of Python and C functions that a call of ``function`` calls.

    It measures work outside of array operations independently of the clock.
    """
    n = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal n
        n += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return n
