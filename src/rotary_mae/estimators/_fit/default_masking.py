"""Masking of an interpolator's training, from its settings and, where they leave it open, from the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from rotary_mae._settings import as_settings
from rotary_mae.batches.masking import Masking
from rotary_mae.data.sources import Source
from rotary_mae.evaluation.query_groups import shared_fraction

# Fraction of the measurements that share their time with another channel, from which whole times are masked too. Not
# tuned.
MIN_SHARED_FRACTION = 0.2

# Samples that are searched for shared times, at most. Not tuned.
MAX_SAMPLES = 500

# Least fraction that is masked in some samples, so that a model also learns series with nearly all of their values. Not
# tuned.
LEAST_FRACTION = 0.05

# Fraction of the values that is masked to evaluate a model of the masking "auto": queries then have nearly all values
# of their series around them, as in imputation. Not tuned.
EVALUATED_FRACTION = 0.1


def given_masking(hiding: Any, fraction: float, training: Mapping[str, Any] | None) -> Masking:
    """Return the masking that the parameters of an interpolator name; for "auto" that of data without shared times.

    Parameters
    ----------
    hiding : str, Masking, or mapping
        Parameter ``hiding`` of ``RoMAEInterpolator``.
    fraction : float
        Its parameter ``hiding_fraction``.
    training : mapping, optional
        Its parameter ``training``. A Masking under "hiding" replaces ``hiding``, a mapping replaces fields of it.

    Raises
    ------
    ValueError
        If a setting is not valid.
    """
    if not 0.0 < fraction <= 1.0:
        raise ValueError(f"hiding_fraction must be above 0 and at most 1, got {fraction}")
    if isinstance(hiding, str):
        hiding = _forecast_masking(fraction) if hiding == "future" else _named_masking(hiding, fraction)
    given: Any = (training or {}).get("hiding", {})
    if isinstance(given, Mapping):
        # fields that are not given stay, but alternatives belong to a strategy
        base = as_settings(Masking, hiding, "hiding")
        base = replace(base, alternatives=()) if "strategy" in given else base
        given = {**asdict(base), **given}
    return as_settings(Masking, given, "training['hiding']")


def is_open(hiding: Any, training: Mapping[str, Any] | None) -> bool:
    """Return True if the parameters of an interpolator leave the strategy to the data."""
    given: Any = (training or {}).get("hiding", {})
    return (
        isinstance(hiding, str)
        and hiding == "auto"
        and isinstance(given, Mapping)
        and not {"strategy", "alternatives"} & set(given)
    )


def _named_masking(strategy: str, fraction: float) -> Masking:
    return Masking("uniform" if strategy == "auto" else strategy, fraction)  # type: ignore[arg-type]


def _forecast_masking(fraction: float) -> Masking:
    """Return masks of the end of a series, from a cut that each sample draws.

    Half of the samples have the longest horizon, because few values far ahead would be masked otherwise: with the same
    updates, sinusoids were then forecast 30 steps ahead with an error of 0.54 instead of 0.30.
    """
    return Masking("future", fraction, alternatives=(Masking("future", fraction, least_fraction=0.0),))


def masking_for(masking: Masking, source: Source) -> Masking:
    """Return the masking for some samples: where channels are measured at the same times, with masks of whole times.

    A new time then differs from a missing value at a time when other channels are known. Of steps with missing values,
    single values are masked.

    Parameters
    ----------
    masking : Masking
        Masking of single tokens.
    source : Source
        Training samples.
    """
    if not source.schema.flags and not has_shared_times(source):
        return masking
    single = replace(masking, strategy="cells") if source.schema.flags else masking
    of_times = replace(masking, strategy="times")
    return replace(single, alternatives=(of_times, _of_drawn_fraction(single), _of_drawn_fraction(of_times)))


def calibration_masking(masking: Masking) -> Masking:
    """Return the masking that a model of the masking "auto" is calibrated with.

    Parameters
    ----------
    masking : Masking
        Masking of training, half of whose samples are masked as there. The other half draws how much is masked, because
        a query of an imputation has nearly all values of its series around it.
    """
    return masking if masking.alternatives else replace(masking, alternatives=(_of_drawn_fraction(masking),))


def _of_drawn_fraction(masking: Masking) -> Masking:
    return replace(masking, least_fraction=min(LEAST_FRACTION, masking.fraction))


def has_shared_times(source: Source) -> bool:
    """Return True if channels are tokens and measured at the same times, by some of the samples, evenly spaced."""
    if source.schema.channel_axis is None:
        return False
    chosen = np.linspace(0, len(source) - 1, min(len(source), MAX_SAMPLES)).round().astype(np.int64)
    tokens = source[chosen]
    is_measured = ~tokens.is_static
    time = tokens.positions[is_measured, tokens.schema.time_axis]
    channel = tokens.positions[is_measured, source.schema.channel_axis].astype(np.int64)
    return shared_fraction(tokens.sample_idx[is_measured], time, channel) >= MIN_SHARED_FRACTION
