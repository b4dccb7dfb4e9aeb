"""Default settings of model and training, chosen from the number and length of the samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rotary_mae.data.scaling import Scaling
from rotary_mae.data.sources import Source
from rotary_mae.models.config import RoMAEConfig
from rotary_mae.models.pretrained import Pretrained
from rotary_mae.nn.rope import rope_frequencies
from rotary_mae.training.config import TrainingConfig

# -- training ---------------------------------------------------------------------------------------------

# Bounds of the default number of epochs. Not tuned.
MIN_EPOCHS, MAX_EPOCHS = 3, 400

# Bounds of the default batch size. Not tuned.
MIN_BATCH, MAX_BATCH = 4, 64

# Tokens of a batch that fit into the memory of small machines.
MAX_BATCH_TOKENS = 32_768

# The number of epochs falls with this power of the number of tokens: 37 epochs of 50 000 tokens, 6 of 5 million.
# Chosen on validation sets, see docs/measurements.md.
EPOCHS_EXPONENT = 0.4

# A GPU processes many times as many tokens as a CPU in the same time. A part of that is spent on its larger model.
GPU_EFFORT = 2.0

# Attention costs as much as the rest of a small model at about this number of tokens.
EQUAL_COST_LENGTH = 1000.0

# Largest cost of the extra epochs on few samples, in processed tokens of short samples: minutes on one laptop core.
MAX_EXTRA_TOKENS = 10_000_000

# Wider models need a lower learning rate: it falls with the width from that of the size "tiny" on.
TINY_WIDTH = 180

# With fewer validation samples the best epoch is determined by chance.
MIN_VALIDATION_TO_SELECT = 100


@dataclass(frozen=True)
class TrainingDefaults:
    """Default settings of one kind of training.

    Attributes
    ----------
    effort : float
        The number of epochs of T tokens is ``effort / T ** 0.4``, so that small sets have many epochs and large ones
        few.
    n_updates : int
        Number of updates to reach, by smaller batches.
    learning_rate : float
        Peak learning rate.
    patience : int
        Evaluations without improvement, of about 50, before training stops.
    min_samples_seen : int
        Small sets have more epochs, until so many samples have been processed or it takes minutes. For series alone,
        and not for a pre-trained model.
    average : float
        Fraction of the updates over which the weights are averaged (see ``TrainingConfig``).
    label_smoothing : float
        Label smoothing of the cross entropy.
    augmentation : dict
        Fields of ``Augmentation``; for series alone.
    """

    effort: float
    n_updates: int
    learning_rate: float
    patience: int = 15
    min_samples_seen: int = 0
    average: float = 0.1
    label_smoothing: float = 0.0
    augmentation: dict[str, float] = field(default_factory=dict)


# All chosen on validation sets that were split from training sets, see docs/measurements.md.
CLASSIFY = TrainingDefaults(
    effort=2800.0,
    n_updates=1000,
    learning_rate=1e-3,
    min_samples_seen=10_000,
    label_smoothing=0.1,
    augmentation={"scale": 0.1, "noise": 0.1, "stretch": 0.1, "thinning": 0.5},
)

# The target may be a strength or a duration, which scaling and stretching would change: thinning alone.
REGRESS = TrainingDefaults(effort=2800.0, n_updates=1000, learning_rate=1e-3, augmentation={"thinning": 0.5})

PRETRAIN = TrainingDefaults(effort=2800.0, n_updates=1000, learning_rate=1e-3)

INTERPOLATE = TrainingDefaults(effort=2800.0, n_updates=1000, learning_rate=1e-3)


@dataclass(frozen=True)
class TrainingConditions:
    """Properties of data, model and machine that the default settings of training depend on.

    Attributes
    ----------
    n_training, n_validation : int
        Samples of the two sets.
    length : float
        Mean number of tokens of a sample.
    width : int
        Width of the model.
    is_patches : bool
        True for patches of images and audio, False for series.
    is_pretrained : bool
        True if the initial weights were trained.
    is_gpu : bool
        True if training runs on a GPU.
    """

    n_training: int
    n_validation: int
    length: float
    width: int = TINY_WIDTH
    is_patches: bool = False
    is_pretrained: bool = False
    is_gpu: bool = False


def default_training(defaults: TrainingDefaults, conditions: TrainingConditions) -> dict[str, Any]:
    """Return the default settings of ``TrainingConfig`` under some conditions, by name."""
    if conditions.is_patches:
        defaults = replace(defaults, augmentation={}, min_samples_seen=0)
    n, length = conditions.n_training, conditions.length
    cost = length * (1.0 + length / EQUAL_COST_LENGTH)
    effort = defaults.effort * (GPU_EFFORT if conditions.is_gpu else 1.0)
    epochs = _rounded_between(effort / (n * cost) ** EPOCHS_EXPONENT, MIN_EPOCHS, MAX_EPOCHS)
    # at least about eight updates in an epoch, so that a small set is more than one batch
    largest = _rounded_between(n / 8, MIN_BATCH, MAX_BATCH)
    batch_size = _rounded_between(epochs * n / defaults.n_updates, MIN_BATCH, largest)
    batch_size = min(batch_size, max(1, int(MAX_BATCH_TOKENS / length)))
    if not conditions.is_pretrained:
        n_seen = min(defaults.min_samples_seen, MAX_EXTRA_TOKENS / cost)
        epochs = max(epochs, _rounded_between(n_seen / n, 0, MAX_EPOCHS))
    rate = defaults.learning_rate * min(1.0, TINY_WIDTH / conditions.width)
    can_select = conditions.n_validation >= MIN_VALIDATION_TO_SELECT
    return {
        "batch_size": batch_size,
        "epochs": epochs,
        "learning_rate": rate * (0.5 if conditions.is_pretrained else 1.0),
        "average": defaults.average,
        "label_smoothing": defaults.label_smoothing,
        "keep": "best" if can_select else "last",
        "patience": defaults.patience if can_select else 0,
        "augmentation": defaults.augmentation,
    }


def training_config(
    defaults: TrainingDefaults, conditions: TrainingConditions, early_stopping: bool, given: Mapping[str, Any]
) -> TrainingConfig:
    """Return the settings of training: the defaults under these conditions, replaced by the ``given`` settings."""
    settings = default_training(defaults, conditions)
    if not early_stopping:
        settings["patience"] = 0
    return TrainingConfig.from_dict({**settings, **given})


def mean_length(source: Source, max_samples: int = 256) -> float:
    """Return the mean number of tokens of a sample, from ``max_samples`` of them if the source has no lengths."""
    lengths = source.lengths
    if lengths is None:
        some = np.linspace(0, len(source) - 1, min(len(source), max_samples)).round().astype(np.int64)
        lengths = source[some].lengths
    return float(np.mean(lengths))


def _rounded_between(number: float, lowest: int, highest: int) -> int:
    return int(min(max(round(number), lowest), highest))


# -- model ------------------------------------------------------------------------------------------------

# Neighbours on each side that a token is projected with. Chosen on validation sets of series, see docs/measurements.md.
CONTEXT = 4

# The nearest neighbours in channel series of this many measurements are nearly equal, so more of them are used.
LONG_SERIES, LONG_CONTEXT = 128, 8

# Settings of the rotations; if the user sets one, the default timescales are those of ``RoMAEConfig``.
ROTATION_FIELDS = frozenset({"timescales", "rope_base", "rope_fraction"})

# Fraction of outliers (see ``Scaling.tails``) above which values are taken to span orders of magnitude. Not tuned.
HEAVY_TAIL_FRACTION = 0.005


def model_config(
    scaling: Scaling,
    initial: Pretrained | None,
    *,
    length: float = 0.0,
    size: str | None,
    is_gpu: bool,
    given: Mapping[str, Any],
    **fixed: Any,
) -> RoMAEConfig:
    """Return the configuration of a new model.

    Parameters
    ----------
    scaling : Scaling
        Scaling of the data; its schema decides the numbers of values and axes.
    initial : Pretrained or None
        Model that the weights are initialised from; its configuration is the default.
    length : float, default=0.0
        Mean number of tokens of a sample.
    size : str or None
        Named size; None takes that of ``initial``, or else the default of the machine.
    is_gpu : bool
        True if training runs on a GPU.
    given : mapping
        Fields of ``RoMAEConfig`` that the user set; they replace all others.
    **fixed
        Fields that the kind of estimator sets.

    Returns
    -------
    RoMAEConfig
        The configuration.

    Raises
    ------
    ValueError
        If ``given`` has a field that the data decide, or ``size`` is not that of ``initial``.
    """
    if from_data := sorted({"n_values", "n_axes", "n_predicted"} & set(given)):
        raise ValueError(f"model has {', '.join(from_data)}, which the data decide; leave it out")
    if initial is None:
        size = size or default_size(is_gpu)
        config = RoMAEConfig.from_dict({**_config_from_data(scaling, length, size), **fixed, **given})
        if ROTATION_FIELDS & set(given):
            return config
        return replace(config, timescales=gap_to_span_timescales(scaling, config))
    if size is not None and size != initial.config.size:
        raise ValueError(f"size {size!r} does not go with an init of size {initial.config.size!r}; leave size out")
    return RoMAEConfig.from_dict({**initial.config.to_dict(), **fixed, **given})


def default_size(is_gpu: bool) -> str:
    """Return the size of a new model on a GPU or on a CPU."""
    return "tiny" if is_gpu else "tiny-shallow"


def _config_from_data(scaling: Scaling, length: float, size: str) -> dict[str, Any]:
    """Return the fields of ``RoMAEConfig`` of a new model for the data that ``scaling`` was fitted to."""
    schema = scaling.schema
    is_series = schema.patch is None
    series_length = length / (len(schema.channels) if schema.channel_axis is not None else 1)
    context = LONG_CONTEXT if series_length >= LONG_SERIES else CONTEXT
    return {
        "n_values": len(schema.roles),
        "n_axes": len(schema.axes),
        "n_predicted": schema.n_predicted,
        "size": size,
        "normalize_targets": not is_series,
        "compress": is_series and scaling.tails > HEAVY_TAIL_FRACTION,
        # the neighbours of a patch are not of its channel
        "context": context if is_series else 0,
        "pooling": "mean",
    }


def gap_to_span_timescales(scaling: Scaling, config: RoMAEConfig) -> tuple[tuple[float, ...], ...] | None:
    """Return timescales of each axis that resolve the gaps of its tokens and reach over the span of long samples.

    They start at the typical gap between tokens of any channel, if that is below 1 (the gap within a channel). They end
    where the slowest rotation makes half a turn over the span, because longer distances would look like shorter ones to
    all rotations. An axis for which the timescales that the configuration has by itself do both keeps them.

    Parameters
    ----------
    scaling : Scaling
        Scaling of the data, with their gaps and spans.
    config : RoMAEConfig
        Configuration of a new model.

    Returns
    -------
    tuple of tuple of float, or None
        Timescales in geometric progression; None if all axes keep theirs.
    """
    axis_width = min(stack.width // stack.heads // config.n_axes for stack in (config, config.decoder))
    own = [1.0 / f for f in rope_frequencies(axis_width, config.rope_base, config.rope_fraction).tolist() if f > 0]
    if config.positions != "rope" or len(own) < 2:
        return None
    timescales = []
    for gap, span in zip(scaling.gap, scaling.span, strict=True):
        first, last = min(own[0], gap or own[0]), max(own[-1], span / np.pi)
        is_own = (first, last) == (own[0], own[-1])
        timescales.append(tuple(own if is_own else np.geomspace(first, last, len(own)).tolist()))
    return None if all(axis == tuple(own) for axis in timescales) else tuple(timescales)
