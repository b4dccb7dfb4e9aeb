"""How long, how fast and on what variations to train when the user does not say."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rotary_mae.data.scaling import Scaling
from rotary_mae.data.sources import Source
from rotary_mae.estimators._predict.batched import pick_device
from rotary_mae.models.config import RoMAEConfig
from rotary_mae.models.pretrained import Pretrained
from rotary_mae.training.config import TrainingConfig

if TYPE_CHECKING:
    from rotary_mae.estimators.estimator import RoMAEEstimator

MIN_EPOCHS, MAX_EPOCHS = 3, 400

MIN_BATCH, MAX_BATCH = 4, 64

# What fits into the memory of small machines.
BATCH_TOKENS = 32_768

GROWTH = 0.4

# A GPU reads in the same time many times what a CPU does; some of that goes into the larger model.
GPU_EFFORT = 2.0

# Attention costs as much as all the rest at about this length, at the width of the small models.
EQUAL_COST_LENGTH = 1000.0

# In units of tokens passed over where short: minutes on a core of a laptop.
MOST_FOR_FEW = 10_000_000

# Wider models want smaller steps.
SMALL_WIDTH = 180

# With fewer validation samples than this the best epoch is a matter of luck.
ENOUGH_TO_CHOOSE = 100


@dataclass(frozen=True)
class TrainingDefaults:
    """What a kind of training wants.

    effort: a set of T tokens is passed over effort / T^0.4 times: a small one often, a large one a few times (37 times
    at 50 000 tokens, 6 at 5 million). n_updates: aimed at, by smaller batches. patience: evaluations without a better
    one before stopping (of about 50). least_seen: a set of few samples is passed over more often, until so many were
    seen, as long as that takes minutes; not by a pre-trained model. average, label_smoothing, augmentation: see
    ``TrainingConfig``; augmentation and least_seen of series alone.
    """

    effort: float
    n_updates: int
    learning_rate: float
    patience: int = 15
    least_seen: int = 0
    average: float = 0.1
    label_smoothing: float = 0.0
    augmentation: dict[str, float] = field(default_factory=dict)


# Chosen on development parts of training sets, see docs/measurements.md. What a regressor is asked for may be a
# strength or a duration: there only what is left out varies.
VARIED = {"scale": 0.1, "noise": 0.1, "stretch": 0.1, "thinning": 0.5}

CLASSIFY = TrainingDefaults(
    effort=2800.0,
    n_updates=1000,
    learning_rate=1e-3,
    least_seen=10_000,
    label_smoothing=0.1,
    augmentation=VARIED,
)

REGRESS = TrainingDefaults(effort=2800.0, n_updates=1000, learning_rate=1e-3, augmentation={"thinning": 0.5})

PRETRAIN = TrainingDefaults(effort=2800.0, n_updates=1000, learning_rate=1e-3)

INTERPOLATE = TrainingDefaults(effort=2800.0, n_updates=1000, learning_rate=1e-3)


def default_size(is_fast: bool) -> str:
    """Size of a new model on a GPU (fast) and on a CPU."""
    return "tiny" if is_fast else "tiny-shallow"


def plan_training(
    plan: TrainingDefaults,
    n_training: int,
    n_validation: int,
    length: float,
    *,
    width: int,
    is_tuning: bool,
    is_fast: bool,
) -> dict[str, Any]:
    """Settings of ``TrainingConfig`` for so many samples of ``length`` tokens and a model of this width.

    is_tuning: its weights were pre-trained. is_fast: on a GPU.
    """
    cost = length * (1.0 + length / EQUAL_COST_LENGTH)
    effort = plan.effort * (GPU_EFFORT if is_fast else 1.0)
    epochs = _between(effort / (n_training * cost) ** GROWTH, MIN_EPOCHS, MAX_EPOCHS)
    # at least about eight updates an epoch, so that a small set is not seen as one batch
    largest = _between(n_training / 8, MIN_BATCH, MAX_BATCH)
    batch_size = _between(epochs * n_training / plan.n_updates, MIN_BATCH, largest)
    batch_size = min(batch_size, max(1, int(BATCH_TOKENS / length)))
    if not is_tuning:
        n_seen = min(plan.least_seen, MOST_FOR_FEW / cost)
        epochs = max(epochs, _between(n_seen / n_training, 0, MAX_EPOCHS))
    rate = plan.learning_rate * min(1.0, SMALL_WIDTH / width) * (0.5 if is_tuning else 1.0)
    return {
        "batch_size": batch_size,
        "epochs": epochs,
        "learning_rate": rate,
        "average": plan.average,
        "label_smoothing": plan.label_smoothing,
        "keep": "best" if n_validation >= ENOUGH_TO_CHOOSE else "last",
        "patience": plan.patience if n_validation >= ENOUGH_TO_CHOOSE else 0,
        "augmentation": plan.augmentation,
    }


def mean_length(source: Source, at_most: int = 256) -> float:
    """Tokens of a sample of ``source``, of some of its samples if it does not tell."""
    lengths = getattr(source, "lengths", None)
    if lengths is None:
        some = np.linspace(0, len(source) - 1, min(len(source), at_most)).round().astype(np.int64)
        lengths = source[some].lengths
    return float(np.mean(lengths))


def _between(number: float, least: int, most: int) -> int:
    return int(min(max(round(number), least), most))


# Chosen on validation parts of series, see docs/measurements.md; patches have no neighbours of their channel.
CONTEXT = 4

# Of lines of so many measurements the nearest neighbours show nearly the same; more of them look farther.
LONG_LINE, LONG_CONTEXT = 128, 8

# Share of far values from which on they are taken to span orders of magnitude.
HEAVY_TAIL_FRACTION = 0.005


def model_config(
    estimator: RoMAEEstimator, scaling: Scaling, initial: Pretrained | None, length: float = 0.0, **fixed: Any
) -> RoMAEConfig:
    """That of ``initial``, or of ``size`` and the data; over it ``fixed``, over this the user's settings.

    length: mean number of tokens of a sample.
    """
    named = (("dropout", estimator.dropout), ("context", estimator.context))
    given = {k: v for k, v in named if v is not None} | dict(estimator.model or {})
    if of_data := sorted({"n_values", "n_axes", "n_predicted"} & set(given)):
        raise ValueError(f"model has {', '.join(of_data)}, which the data decide; leave it out")
    schema = scaling.schema
    if initial is None:
        line = length / (len(schema.channels) if schema.channel_axis is not None else 1)
        context = LONG_CONTEXT if line >= LONG_LINE else CONTEXT
        data = {
            "n_values": len(schema.roles),
            "n_axes": len(schema.axes),
            "n_predicted": schema.n_predicted,
            "size": estimator.size or default_size(pick_device(estimator.device).type == "cuda"),
            "normalize_targets": schema.patch is not None,
            "compress": schema.patch is None and scaling.tails > HEAVY_TAIL_FRACTION,
            "context": context if schema.patch is None else 0,
            "pooling": "mean",
        }
        return RoMAEConfig.from_dict({**data, **fixed, **given})
    if estimator.size is not None and estimator.size != initial.config.size:
        raise ValueError(
            f"size {estimator.size!r} does not go with an init of size {initial.config.size!r}; leave size out"
        )
    return RoMAEConfig.from_dict({**initial.config.to_dict(), **fixed, **given})


def training_config(
    estimator: RoMAEEstimator,
    plan: TrainingDefaults,
    *,
    n_training: int,
    n_validation: int,
    length: float,
    width: int,
    is_patches: bool,
    is_tuning: bool,
    seed: int,
    **fixed: Any,
) -> TrainingConfig:
    """What ``plan`` means for so many samples of a mean ``length``; over it the user's settings, then ``fixed``."""
    if is_patches:
        plan = replace(plan, augmentation={}, least_seen=0)
    planned = plan_training(
        plan,
        n_training,
        n_validation,
        length,
        width=width,
        is_tuning=is_tuning,
        is_fast=pick_device(estimator.device).type == "cuda",
    )
    if not estimator.early_stopping:
        planned["patience"] = 0
    shared = ("epochs", "learning_rate", "batch_size")
    given = {name: value for name in shared if (value := getattr(estimator, name)) is not None}
    settings = {
        **planned,
        **given,
        "seed": seed,
        "device": estimator.device,
        "precision": estimator.precision,
        "compile": estimator.compile,
        "progress": bool(estimator.verbose),
    }
    return TrainingConfig.from_dict({**settings, **(estimator.training or {}), **fixed})
