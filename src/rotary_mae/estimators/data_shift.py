"""Comparison of data to predict with the data of the fit: units, time steps, spans and channels."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from rotary_mae.data.channel_series import channel_series, quantile_by_series
from rotary_mae.data.sources import Source
from rotary_mae.data.tokens import TokenSet

Array = npt.NDArray[np.float64]

Ints = npt.NDArray[np.int64]

# Samples that profiles are computed from, evenly distributed over the data. Not tuned.
MAX_FITTED_SAMPLES, MAX_NEW_SAMPLES = 2_000, 500

# Logarithms of the factors beyond which a difference is not due to chance, after its standard error is subtracted. On
# simulated and real sets, thinned and shortened samples stay below them and units of time are above them
# (tests/estimators/test_data_shift.py).
SHIFT_THRESHOLD, LARGE_SHIFT_THRESHOLD = np.log(3.0), np.log(10.0)

# Standard errors that are subtracted from a difference. Not tuned.
N_STANDARD_ERRORS = 4.0

# Standard errors do not fall further with more samples, because sets differ in the kinds of objects they consist of.
# Not tuned.
MAX_SAMPLES_IN_ERROR = 64

# With fewer values or gaps a sample is not compared. Not tuned.
MIN_VALUES, MIN_GAPS = 5, 3

# Probabilities of the quantiles of values in a profile.
QUANTILES = (0.001, 0.5, 0.999)

# Probability below which a channel is not missing in all new samples by chance. A channel that all samples of the fit
# have may still be missing in new ones, so its probability is at most this. Not tuned.
MISSING_BY_CHANCE, MAX_PRESENCE = 1e-3, 0.9

# Distance between the quantiles 0.05 and 0.95 of a normal distribution, in standard deviations.
CENTRAL_90_WIDTH = 3.29

# Factor between two units of time, the smaller unit and the larger one.
UNITS_BY_FACTOR = {
    24.0: ("hours", "days"),
    60.0: ("minutes", "hours"),
    1000.0: ("milliseconds", "seconds"),
    1440.0: ("minutes", "days"),
    3600.0: ("seconds", "hours"),
    86_400.0: ("seconds", "days"),
    365.25: ("days", "years"),
}

# Largest difference of logarithms at which a factor is named as one of units. Not tuned.
UNIT_TOLERANCE = 0.25


class DataShiftWarning(UserWarning):
    """Warning that data to predict differ clearly from the data of the fit, in units, time steps, span or channels."""


@dataclass(frozen=True)
class AxisProfile:
    """Distances of tokens along a continuous axis, as natural logarithms in the user's units.

    Attributes
    ----------
    gap, gap_std : float
        Median and robust standard deviation, over the samples, of a sample's median gap within a channel.
    span, span_std : float
        Median and robust standard deviation, over the samples, of a sample's span.
    single_gap_std : float
        Robust standard deviation of single gaps.
    n_samples, n_gaps : int
        Number of samples and of gaps from which these numbers are computed.
    """

    gap: float
    gap_std: float
    span: float
    span_std: float
    single_gap_std: float
    n_samples: int
    n_gaps: int


@dataclass(frozen=True)
class ChannelProfile:
    """Values of a channel, in the user's units.

    Attributes
    ----------
    quantiles : tuple of float
        Quantiles of the values, see ``QUANTILES``.
    n_values : int
        Number of values.
    presence : float
        Fraction of the samples that have a value, in [0, 1].
    log_std, log_std_std : float
        Median and robust standard deviation, over the samples, of the logarithm of a sample's standard deviation.
    n_with_std : int
        Number of samples from which ``log_std`` is computed.
    """

    quantiles: tuple[float, ...]
    n_values: int
    presence: float
    log_std: float
    log_std_std: float
    n_with_std: int


# Keys of estimator.json that differ from the names of the fields. They are kept, so that older files can be read.
_JSON_KEYS = {
    "gap_std": "gap_spread",
    "span_std": "span_spread",
    "single_gap_std": "single_spread",
    "log_std": "scatter",
    "log_std_std": "scatter_spread",
    "n_with_std": "n_scattered",
}

_FIELDS = {key: name for name, key in _JSON_KEYS.items()}


@dataclass(frozen=True)
class DataProfile:
    """Robust summary of the samples of a fit, which new data are compared with.

    Attributes
    ----------
    axes : dict of str to AxisProfile
        Continuous axes by name.
    channels : dict of str to ChannelProfile
        Channels and static covariates by name; "pixels" for patches.
    n_samples : int
        Number of samples.
    """

    axes: dict[str, AxisProfile]
    channels: dict[str, ChannelProfile]
    n_samples: int

    @classmethod
    def of(cls, source: Source, max_samples: int = MAX_FITTED_SAMPLES) -> Self:
        """Return the profile of at most ``max_samples`` samples, evenly distributed over the source."""
        chosen = np.linspace(0, len(source) - 1, min(len(source), max_samples)).round().astype(np.int64)
        tokens = source[chosen]
        found = {tokens.axes[axis]: _axis_profile(tokens, axis) for axis in tokens.schema.continuous_axes}
        axes = {name: profile for name, profile in found.items() if profile is not None}
        return cls(axes, _channel_profiles(tokens), len(tokens))

    def to_json(self) -> dict[str, Any]:
        """Return the profile as JSON can hold it."""

        def renamed(profile: AxisProfile | ChannelProfile) -> dict[str, Any]:
            return {_JSON_KEYS.get(name, name): value for name, value in asdict(profile).items()}

        return {
            "steps": {name: renamed(profile) for name, profile in self.axes.items()},
            "values": {name: renamed(profile) for name, profile in self.channels.items()},
            "n_samples": self.n_samples,
        }

    @classmethod
    def from_json(cls, content: dict[str, Any] | None) -> Self | None:
        """Return the profile that ``to_json`` wrote, or None for None."""
        if content is None:
            return None

        def fields(entry: dict[str, Any]) -> dict[str, Any]:
            return {_FIELDS.get(key, key): tuple(v) if isinstance(v, list) else v for key, v in entry.items()}

        axes = {name: AxisProfile(**fields(entry)) for name, entry in content["steps"].items()}
        channels = {name: ChannelProfile(**fields(entry)) for name, entry in content["values"].items()}
        return cls(axes, channels, content["n_samples"])

    def differences(self, new: DataProfile) -> list[str]:
        """Return a sentence for each clear difference of a new profile. Thinning or shortening samples gives none."""
        shared = [name for name in self.axes if name in new.axes]
        found = [_compare_axis(name, self.axes[name], new.axes[name]) for name in shared]
        # a series of less than half the span may vary less, so that a small standard deviation is no shift
        is_short = any(new.axes[name].span < self.axes[name].span - np.log(2) for name in shared)
        for name, fitted in self.channels.items():
            given = new.channels.get(name)
            if given is not None and given.n_values:
                found.append(_compare_channel(name, fitted, given, is_short))
                continue
            p_missing = (1.0 - min(fitted.presence, MAX_PRESENCE)) ** new.n_samples
            if fitted.presence > 0 and p_missing <= MISSING_BY_CHANCE:
                found.append(f"{name!r}, which {fitted.presence:.0%} of the fitted samples have, is in no new sample")
        return [sentence for sentence in found if sentence is not None]


def describe_shift(profile: DataProfile | None, source: Source) -> str | None:
    """Return the text of a warning if new data differ clearly from the data of a fit.

    Parameters
    ----------
    profile : DataProfile or None
        Profile of the data of the fit.
    source : Source
        New samples; 500 of them are read at most.

    Returns
    -------
    str or None
        None if there is no clear difference, no profile or no sample.
    """
    if profile is None or not len(source):
        return None
    found = profile.differences(DataProfile.of(source, MAX_NEW_SAMPLES))
    if not found:
        return None
    differences = "; ".join(found)
    end = "" if differences.endswith("?") else "."
    return (
        f"this data differs clearly from the data of the fit: {differences}{end} Predictions may be far off: bring the "
        "data to the units and columns of the fit, or fit on such data"
    )


# -- profiles ---------------------------------------------------------------------------------------------


def _axis_profile(tokens: TokenSet, axis: int) -> AxisProfile | None:
    is_measured, others = ~tokens.is_static, [i for i in range(len(tokens.axes)) if i != axis]
    sample, position = tokens.sample_idx[is_measured], tokens.positions[is_measured, axis]
    # tokens of a sample that differ along this axis alone, such as the measurements of one channel, form a series
    series = tokens.positions[is_measured][:, others]
    order = np.lexsort((position, *series.T, sample))
    sample, position, series = sample[order], position[order], series[order]
    is_gap = (np.diff(sample) == 0) & (np.diff(series, axis=0) == 0).all(1) & (np.diff(position) > 0)
    gap_sample, gap = sample[1:][is_gap], np.diff(position)[is_gap]
    if not len(gap):
        return None
    low, high = np.full(len(tokens), np.inf), np.full(len(tokens), -np.inf)
    np.minimum.at(low, sample, position)
    np.maximum.at(high, sample, position)
    n_gaps = np.bincount(gap_sample, minlength=len(tokens))
    has_gap = n_gaps > 0
    by_size = np.lexsort((gap, gap_sample))
    medians = np.log(quantile_by_series(gap[by_size], n_gaps, 0.5)[has_gap])
    spans = np.log((high - low)[has_gap])
    return AxisProfile(
        gap=float(np.median(medians)),
        gap_std=_robust_std(medians),
        span=float(np.median(spans)),
        span_std=_robust_std(spans),
        single_gap_std=_robust_std(np.log(gap)),
        n_samples=int(has_gap.sum()),
        n_gaps=int(n_gaps.sum()),
    )


def _robust_std(numbers: Array) -> float:
    low, high = np.quantile(numbers, (0.05, 0.95))
    return float(high - low) / CENTRAL_90_WIDTH


def _channel_profiles(tokens: TokenSet) -> dict[str, ChannelProfile]:
    schema = tokens.schema
    if schema.patch is not None:
        sample = np.repeat(tokens.sample_idx, tokens.values.shape[1])
        return {"pixels": _channel_profile(tokens.values.ravel().astype(np.float64), sample, len(tokens))}
    observed = channel_series(tokens)
    names = schema.channels or tuple(f"value {k}" for k in range(observed.n_channels))
    channel, sample = observed.series % observed.n_channels, observed.series // observed.n_channels
    by_channel = np.argsort(channel, kind="stable")
    ends = np.cumsum(np.bincount(channel, minlength=observed.n_channels))
    indices = np.split(by_channel, ends[:-1])
    found = {
        name: _channel_profile(observed.values[i], sample[i], len(tokens))
        for name, i in zip(names, indices, strict=True)
    }
    return found | _static_profiles(tokens)


def _static_profiles(tokens: TokenSet) -> dict[str, ChannelProfile]:
    """Return the profiles of static covariates that are tokens; those that are value columns are never missing."""
    schema, is_static = tokens.schema, tokens.is_static
    if "channel" not in tokens.axes:
        return {}
    covariate = tokens.positions[is_static, tokens.axes.index("channel")] - len(schema.channels)
    values, sample = tokens.values[is_static, 0].astype(np.float64), tokens.sample_idx[is_static]
    return {
        f"static covariate {name}": _channel_profile(values[covariate == k], sample[covariate == k], len(tokens))
        for k, name in enumerate(schema.statics)
    }


def _channel_profile(values: Array, sample: Ints, n_samples: int) -> ChannelProfile:
    """Return the profile of values (N,) of the samples (N,)."""
    count = np.bincount(sample, minlength=n_samples)
    if not len(values):
        return ChannelProfile((0.0,) * len(QUANTILES), 0, 0.0, 0.0, 0.0, 0)
    mean = np.bincount(sample, weights=values, minlength=n_samples) / np.maximum(count, 1)
    squares = np.bincount(sample, weights=np.square(values - mean[sample]), minlength=n_samples)
    has_std = (count >= MIN_VALUES) & (squares > 0)
    log_stds = 0.5 * np.log(squares[has_std] / count[has_std])
    return ChannelProfile(
        quantiles=tuple(np.quantile(values, QUANTILES).tolist()),
        n_values=len(values),
        presence=float((count > 0).mean()),
        log_std=float(np.median(log_stds)) if len(log_stds) else 0.0,
        log_std_std=_robust_std(log_stds) if len(log_stds) else 0.0,
        n_with_std=len(log_stds),
    )


# -- differences ------------------------------------------------------------------------------------------


def _compare_axis(name: str, fitted: AxisProfile, new: AxisProfile) -> str | None:
    n_samples, n_gaps = min(new.n_samples, MAX_SAMPLES_IN_ERROR), min(new.n_gaps, MAX_SAMPLES_IN_ERROR)
    gap, span = new.gap - fitted.gap, new.span - fitted.span
    gap_error = fitted.gap_std / np.sqrt(n_samples) + fitted.single_gap_std / np.sqrt(n_gaps)
    gap_noise, span_noise = N_STANDARD_ERRORS * gap_error, N_STANDARD_ERRORS * fitted.span_std / np.sqrt(n_samples)
    both_differ = abs(gap) > SHIFT_THRESHOLD + gap_noise and abs(span) > SHIFT_THRESHOLD + span_noise and gap * span > 0
    medians = (
        f"median gap {np.exp(new.gap):.3g}, at fit {np.exp(fitted.gap):.3g}; median span {np.exp(new.span):.3g}, at "
        f"fit {np.exp(fitted.span):.3g}"
    )
    if both_differ and abs(gap - span) < SHIFT_THRESHOLD + gap_noise + span_noise:
        both = (gap + span) / 2
        return f"{name}s look {_factor(both)} ({medians}){_unit_hint(both)}"
    # thinning removes short gaps more often than long ones, which increases the median gap
    if new.n_gaps >= MIN_GAPS and abs(gap) > LARGE_SHIFT_THRESHOLD + gap_noise + 2 * fitted.single_gap_std:
        return f"the steps in {name} are {_factor(gap)} ({medians})"
    if span > LARGE_SHIFT_THRESHOLD + span_noise:
        return f"the span in {name} is {_factor(span)} ({medians})"
    return None


def _factor(log_factor: float) -> str:
    return f"{np.exp(abs(log_factor)):.3g} x {'larger' if log_factor > 0 else 'smaller'}"


def _unit_hint(log_factor: float) -> str:
    for factor, (small, large) in UNITS_BY_FACTOR.items():
        if abs(abs(log_factor) - np.log(factor)) < UNIT_TOLERANCE:
            new, fitted = (small, large) if log_factor > 0 else (large, small)
            return f": {new} instead of {fitted}?"
    return ""


def _compare_channel(name: str, fitted: ChannelProfile, new: ChannelProfile, is_short: bool) -> str | None:
    lowest, highest, median = fitted.quantiles[0], fitted.quantiles[-1], new.quantiles[len(QUANTILES) // 2]
    width = highest - lowest
    if new.n_values < MIN_VALUES or not width > 0:
        return None
    if not lowest - width <= median <= highest + width:
        return f"values of {name!r} lie around {median:.4g}, at fit from {lowest:.4g} to {highest:.4g}: another unit?"
    if not (new.n_with_std and fitted.n_with_std):
        return None
    change = new.log_std - fitted.log_std
    noise = N_STANDARD_ERRORS * fitted.log_std_std / np.sqrt(min(new.n_with_std, MAX_SAMPLES_IN_ERROR))
    if abs(change) > LARGE_SHIFT_THRESHOLD + noise and (change > 0 or not is_short):
        return (
            f"values of {name!r} vary {np.exp(change):.3g} x as much within a sample (standard deviation "
            f"{np.exp(new.log_std):.3g}, at fit {np.exp(fitted.log_std):.3g}): another unit?"
        )
    return None
