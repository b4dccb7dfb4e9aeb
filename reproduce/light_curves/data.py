"""Supernova light curves of SNPCC: training and test sets, asinh magnitudes."""

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
"""Names in the settings; see TRAINING_SETS for those of the table."""

TRAINING_SETS = {RANDOM: "a random 10 %", SPECTROSCOPIC: "the spectroscopic subset"}


@dataclass(frozen=True)
class Supernovae:
    """Training and test set; targets are types as integers, see TYPES."""

    training: rm.TokenSet
    test: rm.TokenSet


@cache
def all_supernovae() -> tuple[rm.TokenSet, Array]:
    """Return SNPCC with types as integers, and (B,) True for its spectroscopic subset."""
    tokens, is_spectroscopic = load_snpcc()
    return tokens.with_targets(np.array([TYPES.index(name) for name in np.asarray(tokens.targets)])), is_spectroscopic


def supernovae(which: str, seed: int, n: int | None = None) -> Supernovae:
    """Return a training set and all other supernovae as test set.

    Parameters
    ----------
    which : str
        RANDOM (a stratified tenth, drawn with ``seed``) or SPECTROSCOPIC.
    seed : int
        Seed of the random split.
    n : int, optional
        Largest size of each set.

    Returns
    -------
    Supernovae
        Both sets.
    """
    tokens, is_spectroscopic = all_supernovae()
    indices = np.arange(len(tokens))
    if which == RANDOM:
        training, test = train_test_split(indices, train_size=0.1, random_state=seed, stratify=tokens.targets)
    elif which == SPECTROSCOPIC:
        training, test = indices[is_spectroscopic], indices[~is_spectroscopic]
    else:
        raise ValueError(f"which must be {RANDOM!r} or {SPECTROSCOPIC!r}, got {which!r}")
    return Supernovae(tokens[training[:n]], tokens[test[:n]])


def typical_error(tokens: rm.TokenSet) -> float:
    """Return the median error of the fluxes."""
    return float(np.median(tokens.values[:, 1]))


def asinh_magnitudes(tokens: rm.TokenSet, softening: float) -> rm.TokenSet:
    """Return fluxes as asinh magnitudes (Lupton et al. 1999).

    They are linear in the flux below ``softening`` and logarithmic far above it. Values are (asinh(flux / softening),
    its error).
    """
    flux, error = tokens.values.T.astype(np.float64)
    return tokens.replace(values=np.stack([np.arcsinh(flux / softening), error / np.hypot(flux, softening)], axis=1))
