"""Copying weights from one model to another."""

from __future__ import annotations

from dataclasses import dataclass

from rotary_mae.models.config import RoMAEConfig
from rotary_mae.models.pretrained import Pretrained

SETTINGS_OF_WEIGHTS = (
    "n_values",
    "n_axes",
    "width",
    "heads",
    "depth",
    "positions",
    "rope_base",
    "rope_fraction",
    "timescales",
    "cls",
    "compress",
)
"""Settings that must be equal, because weights have another meaning or shape if they differ."""


@dataclass(frozen=True)
class TransferReport:
    """Names of the weights that ``transfer`` copied and did not copy.

    Attributes
    ----------
    copied : tuple of str
        Weights copied from the source to the target.
    new : tuple of str
        Weights of the target that the source does not have; they keep their values.
    left : tuple of str
        Weights of the source that the target does not have.
    note : str
        Remark on settings that differ, or "".
    """

    copied: tuple[str, ...]
    new: tuple[str, ...]
    left: tuple[str, ...]
    note: str = ""

    def __str__(self) -> str:
        return (
            f"copied {len(self.copied)} weights ({_roots(self.copied)}), made {len(self.new)} new "
            f"({_roots(self.new)}), left {len(self.left)} ({_roots(self.left)})"
            + (f"; {self.note}" if self.note else "")
        )


def _roots(names: tuple[str, ...]) -> str:
    """Return the modules of some weights as a text."""
    return ", ".join(sorted({".".join(n.split(".")[:2]) for n in names})) or "none"


def transfer(source: Pretrained, target: Pretrained) -> TransferReport:
    """Copy the weights of one model to another, in place.

    Every weight of the source that the target has under the same name is copied. The head is copied only between
    models of the same class with the same outputs. Local context may be switched on (its weights are new) or off (its
    weights are left); the report has a note then.

    Parameters
    ----------
    source : RoMAEForPreTraining or RoMAEForPrediction
        Model to copy from.
    target : RoMAEForPreTraining or RoMAEForPrediction
        Model to change.

    Returns
    -------
    TransferReport
        Names of the weights that were copied and that were not.

    Raises
    ------
    TypeError
        If one of them is not a model.
    ValueError
        If settings that the weights depend on differ, or a shared weight has another shape. The target is then
        unchanged.
    """
    for role, model in (("source", source), ("target", target)):
        if not isinstance(model, Pretrained):
            raise TypeError(
                f"the {role} must be a RoMAEForPreTraining or RoMAEForPrediction (model_ of an estimator, or rm.load), "
                f"got {type(model).__name__}"
            )
    note = _check_settings(source.config, target.config)
    source_weights, target_weights = source.state_dict(), target.state_dict()
    is_same_task = (
        type(source) is type(target)
        and source.arguments() == target.arguments()
        and source.config.distribution == target.config.distribution
    )
    shared = [k for k in target_weights if k in source_weights and (is_same_task or not k.startswith("head."))]
    for name in shared:
        if target_weights[name].shape != source_weights[name].shape:
            raise ValueError(
                f"cannot transfer {name}: shape {tuple(source_weights[name].shape)} in the source, "
                f"{tuple(target_weights[name].shape)} in the target; make both models with the same sizes"
            )
    target.load_state_dict({**target_weights, **{name: source_weights[name] for name in shared}})
    copied = set(shared)
    return TransferReport(
        tuple(shared),
        tuple(k for k in target_weights if k not in copied),
        tuple(k for k in source_weights if k not in copied),
        note,
    )


def _check_settings(source: RoMAEConfig, target: RoMAEConfig) -> str:
    """Raise ValueError for settings that must not differ; return a note on local context, or ""."""
    for name in SETTINGS_OF_WEIGHTS:
        given, expected = getattr(source, name), getattr(target, name)
        if given != expected:
            raise ValueError(
                f"cannot transfer weights: {name} is {given} in the source and {expected} in the target; give the "
                f"target {name}={given!r}"
            )
    if source.context == target.context:
        return ""
    if not source.context:
        return f"the source has no local context: the weights of {target.context} neighbours are new"
    if not target.context:
        return f"the target has no local context: the weights of {source.context} neighbours are left"
    raise ValueError(
        f"cannot transfer weights: context is {source.context} in the source and {target.context} in the target; give "
        f"the target context={source.context}, or 0 for none"
    )
