"""Copying weights from one model to another."""

from __future__ import annotations

from dataclasses import dataclass

from rotary_mae.models.pretrained import Pretrained


@dataclass(frozen=True)
class TransferReport:
    """Names of weights: copied into the target, new in the target, and left behind in the source.

    note: what else a person should know, or "".
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
    return ", ".join(sorted({".".join(n.split(".")[:2]) for n in names})) or "none"


def transfer(source: Pretrained, target: Pretrained) -> TransferReport:
    """Copy every weight of ``source`` that ``target`` has under the same name into it.

    The head of another model, or with other outputs, answers another question and is never shared. Raises
    ValueError where a shared weight has another shape, or where settings that give the weights their meaning
    differ. Only ``context`` may be switched on (its weights are new) or off (they are left behind); the report says so.
    """
    for what, model in (("source", source), ("target", target)):
        if not isinstance(model, Pretrained):
            raise TypeError(
                f"the {what} must be a RoMAEForPreTraining or RoMAEForPrediction (model_ of an estimator, or rm.load), "
                f"got {type(model).__name__}"
            )
    for name in (
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
    ):
        mine, theirs = getattr(target.config, name), getattr(source.config, name)
        if mine != theirs:
            raise ValueError(f"cannot transfer weights: {name} is {theirs} in the source and {mine} in the target")
    note = _about_context(source.config.context, target.config.context)
    theirs, mine = source.state_dict(), target.state_dict()
    is_same_task = (
        type(source) is type(target)
        and source._arguments() == target._arguments()
        and source.config.distribution == target.config.distribution
    )
    shared = [k for k in mine if k in theirs and (is_same_task or not k.startswith("head."))]
    for name in shared:
        if mine[name].shape != theirs[name].shape:
            raise ValueError(
                f"cannot transfer {name}: shape {tuple(theirs[name].shape)} in the source, "
                f"{tuple(mine[name].shape)} in the target"
            )
    target.load_state_dict({**mine, **{name: theirs[name] for name in shared}})
    copied = set(shared)
    return TransferReport(
        tuple(shared), tuple(k for k in mine if k not in copied), tuple(k for k in theirs if k not in copied), note
    )


def _about_context(theirs: int, mine: int) -> str:
    """What becomes of local context of ``theirs`` neighbours in the source, ``mine`` in the target."""
    if theirs == mine:
        return ""
    if not theirs:
        return f"the source knows no local context: the weights of its {mine} neighbours begin anew"
    if not mine:
        return f"the target has no local context: what the source learned of {theirs} neighbours is left behind"
    raise ValueError(
        f"cannot transfer weights: context is {theirs} in the source and {mine} in the target; give context={theirs}, "
        "or 0 to do without"
    )
