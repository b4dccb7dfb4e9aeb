"""Light curves with their classes, and how they are split."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import train_test_split

import rotary_mae as rm
from rotary_mae.datasets.snpcc import load_snpcc

Array = npt.NDArray[Any]

TYPES = ("Ia", "II", "IIn", "IIP", "IIL", "Ib", "Ic", "Ibc")
IA = TYPES.index("Ia")
RANDOM, SPECTROSCOPIC = "a random 10 %", "the spectroscopic part"


@dataclass(frozen=True)
class Supernovae:
    """training, test: with types as whole numbers, see TYPES."""

    training: rm.TokenSet
    test: rm.TokenSet


@cache
def all_supernovae() -> tuple[rm.TokenSet, Array]:
    """SNPCC with types as whole numbers, and (B,) True for its spectroscopic part."""
    tokens, is_spectroscopic = load_snpcc()
    return tokens.with_targets(np.array([TYPES.index(name) for name in np.asarray(tokens.targets)])), is_spectroscopic


def supernovae(which: str, seed: int, n: int | None = None) -> Supernovae:
    """Trained on one part, tested on all others; a random tenth is another with every seed. n: of each part at most."""
    tokens, is_spectroscopic = all_supernovae()
    everything = np.arange(len(tokens))
    if which == RANDOM:
        training, test = train_test_split(everything, train_size=0.1, random_state=seed, stratify=tokens.targets)
    elif which == SPECTROSCOPIC:
        training, test = everything[is_spectroscopic], everything[~is_spectroscopic]
    else:
        raise ValueError(f"which must be {RANDOM!r} or {SPECTROSCOPIC!r}, got {which!r}")
    return Supernovae(tokens[training[:n]], tokens[test[:n]])


def typical_error(tokens: rm.TokenSet) -> float:
    """Median error of the fluxes."""
    return float(np.median(tokens.values[:, 1]))


def compressed(tokens: rm.TokenSet, softening: float) -> rm.TokenSet:
    """Fluxes as asinh magnitudes (Lupton et al. 1999): linear within ``softening``, logarithms far above it.

    Values are (asinh(flux / softening), the error of that).
    """
    flux, error = tokens.values.T.astype(np.float64)
    return tokens.replace(values=np.stack([np.arcsinh(flux / softening), error / np.hypot(flux, softening)], axis=1))
