"""How a fit's model and training are configured: by ``init``, by the data, and by what the user set."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rotary_mae.data.scaling import Scaling
from rotary_mae.estimators.inference import pick_device
from rotary_mae.estimators.schedule import Plan, default_size, plan_training
from rotary_mae.models.checkpoint import Pretrained
from rotary_mae.models.config import RoMAEConfig
from rotary_mae.training.config import TrainingConfig

if TYPE_CHECKING:
    from rotary_mae.estimators.estimator import RoMAEEstimator

# Chosen on validation parts of series, see docs/measurements.md; patches have no neighbours of their channel.
CONTEXT = 4

# Of lines of so many measurements the nearest neighbours show nearly the same; more of them look farther.
LONG_LINE, LONG_CONTEXT = 128, 8

# Share of far values from which on they are taken to span orders of magnitude.
HEAVY = 0.005


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
            "compress": schema.patch is None and scaling.tails > HEAVY,
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
    plan: Plan,
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
