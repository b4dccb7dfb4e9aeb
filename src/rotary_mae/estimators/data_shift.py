"""Whether data to predict on plainly differs from what was fitted on: units, cadence, span, channels."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from rotary_mae.data.channel_series import channel_series, quantile_by_series
from rotary_mae.data.sources import Source
from rotary_mae.data.tokens import TokenSet

Array = npt.NDArray[np.float64]

MAX_FITTED, MAX_ASKED = 2_000, 500

# A factor in time that is too large for chance, once it is beyond the spread that was seen at fit.
SHIFT_THRESHOLD, LARGE_SHIFT_THRESHOLD = np.log(3.0), np.log(10.0)

SIGMAS = 4.0

# A median of more samples is not taken for more certain: sets differ in what they consist of.
MANY = 64

# Fewer values or gaps than these say nothing.
MIN_VALUES, MIN_GAPS = 5, 3

LEVELS = (0.001, 0.5, 0.999)


class DataShiftWarning(UserWarning):
    """Data to predict on plainly differs from what the estimator was fitted on."""


@dataclass(frozen=True)
class Steps:
    """Distances along a continuous axis, as natural logarithms of the user's units.

    gap, span: median over the samples of a sample's median gap (within a channel) and of its span. gap_spread,
    span_spread: robust standard deviations over the samples. single_spread: of single gaps. n_samples, n_gaps: behind
    them.
    """

    gap: float
    gap_spread: float
    span: float
    span_spread: float
    single_spread: float
    n_samples: int
    n_gaps: int


@dataclass(frozen=True)
class Values:
    """Values of a channel: their quantiles at LEVELS, how many, and the share of the samples that have any.

    scatter: median over the samples of the logarithm of a sample's standard deviation, scatter_spread: its robust
    standard deviation over the n_scattered samples that have one.
    """

    quantiles: tuple[float, ...]
    n_values: int
    presence: float
    scatter: float
    scatter_spread: float
    n_scattered: int


@dataclass(frozen=True)
class DataProfile:
    """What the samples of a fit look like, robustly: distances by axis and values by channel; and their number."""

    steps: dict[str, Steps]
    values: dict[str, Values]
    n_samples: int

    @classmethod
    def of(cls, source: Source, max_samples: int = MAX_FITTED) -> Self:
        """Of at most ``max_samples`` samples, evenly spread."""
        chosen = np.linspace(0, len(source) - 1, min(len(source), max_samples)).round().astype(np.int64)
        tokens = source[chosen]
        axes = {tokens.axes[axis]: _steps(tokens, axis) for axis in tokens.schema.continuous_axes}
        steps = {name: found for name, found in axes.items() if found is not None}
        return cls(steps, _values(tokens), len(tokens))

    def to_json(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any] | None) -> Self | None:
        """What ``to_json`` wrote; None if nothing was written."""
        if fields is None:
            return None
        steps = {name: Steps(**found) for name, found in fields["steps"].items()}
        values = {
            n: Values(**{**found, "quantiles": tuple(found["quantiles"])}) for n, found in fields["values"].items()
        }
        return cls(steps, values, fields["n_samples"])

    def differences(self, now: DataProfile) -> list[str]:
        """What is plainly different ``now``, a sentence each; ordinary other samples, thinned or short, give none."""
        found = []
        for name, then in self.steps.items():
            if name in now.steps and (said := _compare_steps(name, then, now.steps[name])):
                found.append(said)
        # a piece of a series varies less than the whole
        is_short = any(now.steps[k].span < then.span - np.log(2) for k, then in self.steps.items() if k in now.steps)
        for name, fitted in self.values.items():
            given = now.values.get(name)
            if given is None or given.n_values == 0:
                # by chance nobody of them has the channel
                if fitted.presence > 0 and (1.0 - min(fitted.presence, 0.9)) ** now.n_samples <= 1e-3:
                    found.append(
                        f"{name!r}, which {fitted.presence:.0%} of the fitted samples have, is in none of these"
                    )
            elif said := _compare_values(name, fitted, given, is_short):
                found.append(said)
        return found


def difference_of(profile: DataProfile | None, source: Source) -> str | None:
    """A warning for data that plainly differs, or None."""
    if profile is None or not len(source):
        return None
    found = profile.differences(DataProfile.of(source, MAX_ASKED))
    if not found:
        return None
    return (
        f"this data plainly differs from what was fitted: {'; '.join(found)}. Answers may be far off: bring the data "
        "to the units and columns of the fit, or fit on such data"
    )


# -- what samples look like -------------------------------------------------------------------------------


def _steps(tokens: TokenSet, axis: int) -> Steps | None:
    real, others = ~tokens.is_static, [i for i in range(len(tokens.axes)) if i != axis]
    sample, position = tokens.sample_idx[real], tokens.positions[real, axis]
    # lines: tokens of a sample that differ along this axis alone, such as those of one channel
    lines = tokens.positions[real][:, others]
    order = np.lexsort((position, *lines.T, sample))
    sample, position, lines = sample[order], position[order], lines[order]
    is_gap = (np.diff(sample) == 0) & (np.diff(lines, axis=0) == 0).all(1) & (np.diff(position) > 0)
    whose, gap = sample[1:][is_gap], np.diff(position)[is_gap]
    if not len(gap):
        return None
    low, high = np.full(len(tokens), np.inf), np.full(len(tokens), -np.inf)
    np.minimum.at(low, sample, position)
    np.maximum.at(high, sample, position)
    n_gaps = np.bincount(whose, minlength=len(tokens))
    has = n_gaps > 0
    by_size = np.lexsort((gap, whose))
    medians = np.log(quantile_by_series(gap[by_size], n_gaps, 0.5)[has])
    spans = np.log((high - low)[has])
    return Steps(
        float(np.median(medians)),
        _spread(medians),
        float(np.median(spans)),
        _spread(spans),
        _spread(np.log(gap)),
        int(has.sum()),
        int(n_gaps.sum()),
    )


def _spread(numbers: Array) -> float:
    low, high = np.quantile(numbers, (0.05, 0.95))
    return float(high - low) / 3.29  # of a normal distribution this is its standard deviation


def _values(tokens: TokenSet) -> dict[str, Values]:
    schema = tokens.schema
    if schema.patch is not None:
        sample = np.repeat(tokens.sample_idx, tokens.values.shape[1])
        return {"pixels": _of_channel(tokens.values.ravel().astype(np.float64), sample, len(tokens))}
    seen = channel_series(tokens)
    names = schema.channels or tuple(f"value {k}" for k in range(seen.n_channels))
    channel, sample = seen.series % seen.n_channels, seen.series // seen.n_channels
    by_channel = np.argsort(channel, kind="stable")
    ends = np.cumsum(np.bincount(channel, minlength=seen.n_channels))
    places = np.split(by_channel, ends[:-1])
    found = {n: _of_channel(seen.values[i], sample[i], len(tokens)) for n, i in zip(names, places, strict=True)}
    return found | _statics(tokens)


def _statics(tokens: TokenSet) -> dict[str, Values]:
    """Static covariates that are tokens of their own; where they are columns, data without them is an error."""
    schema, is_static = tokens.schema, tokens.is_static
    if "channel" not in tokens.axes:
        return {}
    which = tokens.positions[is_static, tokens.axes.index("channel")] - len(schema.channels)
    values, sample = tokens.values[is_static, 0].astype(np.float64), tokens.sample_idx[is_static]
    return {
        f"static covariate {name}": _of_channel(values[which == k], sample[which == k], len(tokens))
        for k, name in enumerate(schema.statics)
    }


def _of_channel(values: Array, sample: npt.NDArray[np.int64], n_samples: int) -> Values:
    count = np.bincount(sample, minlength=n_samples)
    presence = float((count > 0).mean())
    if not len(values):
        return Values((0.0,) * len(LEVELS), 0, 0.0, 0.0, 0.0, 0)
    mean = np.bincount(sample, weights=values, minlength=n_samples) / np.maximum(count, 1)
    squares = np.bincount(sample, weights=np.square(values - mean[sample]), minlength=n_samples)
    is_scattered = (count >= MIN_VALUES) & (squares > 0)
    scatter = 0.5 * np.log(squares[is_scattered] / count[is_scattered])
    middle, spread = (float(np.median(scatter)), _spread(scatter)) if len(scatter) else (0.0, 0.0)
    quantiles = tuple(np.quantile(values, LEVELS).tolist())
    return Values(quantiles, len(values), presence, middle, spread, len(scatter))


# -- what differs -----------------------------------------------------------------------------------------


def _compare_steps(name: str, then: Steps, now: Steps) -> str | None:
    n_samples, n_gaps = min(now.n_samples, MANY), min(now.n_gaps, MANY)
    gap, span = now.gap - then.gap, now.span - then.span
    gap_noise = SIGMAS * (then.gap_spread / np.sqrt(n_samples) + then.single_spread / np.sqrt(n_gaps))
    span_noise = SIGMAS * then.span_spread / np.sqrt(n_samples)
    is_both = abs(gap) > SHIFT_THRESHOLD + gap_noise and abs(span) > SHIFT_THRESHOLD + span_noise and gap * span > 0
    medians = (
        f"median gap {np.exp(now.gap):.3g}, at fit {np.exp(then.gap):.3g}; median span {np.exp(now.span):.3g}, at fit "
        f"{np.exp(then.span):.3g}"
    )
    if is_both and abs(gap - span) < SHIFT_THRESHOLD + gap_noise + span_noise:
        return f"{name}s look {_times((gap + span) / 2)} ({medians}){_unit_hint((gap + span) / 2)}"
    # thinning a mixture of short and long gaps leaves the long ones
    if now.n_gaps >= MIN_GAPS and abs(gap) > LARGE_SHIFT_THRESHOLD + gap_noise + 2 * then.single_spread:
        return f"the steps in {name} are {_times(gap)} ({medians})"
    if span > LARGE_SHIFT_THRESHOLD + span_noise:
        return f"the span in {name} is {_times(span)} ({medians})"
    return None


def _times(log_factor: float) -> str:
    return f"{np.exp(abs(log_factor)):.3g} x {'larger' if log_factor > 0 else 'smaller'}"


# Factors between units of time: the smaller unit, the larger one.
_UNITS = {
    24.0: ("hours", "days"),
    60.0: ("minutes", "hours"),
    1000.0: ("milliseconds", "seconds"),
    1440.0: ("minutes", "days"),
    3600.0: ("seconds", "hours"),
    86_400.0: ("seconds", "days"),
    365.25: ("days", "years"),
}


def _unit_hint(log_factor: float) -> str:
    for factor, (small, large) in _UNITS.items():
        if abs(abs(log_factor) - np.log(factor)) < 0.25:
            now, then = (small, large) if log_factor > 0 else (large, small)
            return f": {now} instead of {then}?"
    return ""


def _compare_values(name: str, then: Values, now: Values, is_short: bool) -> str | None:
    lowest, highest, median = then.quantiles[0], then.quantiles[-1], now.quantiles[len(LEVELS) // 2]
    reach = highest - lowest
    if now.n_values < MIN_VALUES or not reach > 0:
        return None
    if not lowest - reach <= median <= highest + reach:
        return f"values of {name!r} lie around {median:.4g}, at fit from {lowest:.4g} to {highest:.4g}: another unit?"
    if not (now.n_scattered and then.n_scattered):
        return None
    change = now.scatter - then.scatter
    noise = SIGMAS * then.scatter_spread / np.sqrt(min(now.n_scattered, MANY))
    if abs(change) > LARGE_SHIFT_THRESHOLD + noise and (change > 0 or not is_short):
        return (
            f"values of {name!r} vary {np.exp(change):.3g} x as much within a sample (standard deviation "
            f"{np.exp(now.scatter):.3g}, at fit {np.exp(then.scatter):.3g}): another unit?"
        )
    return None
