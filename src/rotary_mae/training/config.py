"""How a model is trained, as a frozen dataclass that a JSON or YAML file can hold."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from rotary_mae._settings import check_keys, check_kinds, is_number, is_sequence, is_whole, nested
from rotary_mae.batches.augmentation import Augmentation
from rotary_mae.batches.masking import Masking


def is_count(given: Any) -> bool:
    """Whether this is a whole number, 1 or more."""
    return is_whole(given) and given >= 1


def _two_betas(betas: Any) -> tuple[float, float]:
    """Of lists, tuples or arrays; ValueError unless each is at least 0 and below 1."""
    if not is_sequence(betas) or len(betas) != 2 or not all(is_number(b) and 0 <= b < 1 for b in betas):
        raise ValueError(f"betas must be two numbers of at least 0 and below 1, got {betas!r}")
    return float(betas[0]), float(betas[1])


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of ``rotary_mae.train``.

    Attributes:
        epochs: passes over the training samples. max_steps: stop (and end the schedule) after so many updates.
        max_seconds: stop after so many seconds of training, wherever the schedule stands; an update is always made.
        batch_size: samples of a batch, shared out among the processes. max_tokens: fill batches up to so many
            tokens, of at most ``batch_size`` samples.
        accumulate: batches whose gradients make one update.
        optimizer: "adamw", or "sgd" with ``momentum``.
        learning_rate: at its peak. warmup_fraction: share of the updates over which it rises linearly to the peak
            (warmup_steps: their number, instead); it then falls along a half cosine.
        betas, weight_decay: of AdamW; decay acts on matrices only, not on norms, biases, CLS or mask token.
        clip: largest norm of the gradient; 0 does not clip.
        average: share of the updates over which weights are averaged, exponentially, for what is evaluated and kept;
            0 keeps those of single updates. Training itself goes on from its own weights.
        keep: the weights that training ends with: "best" of the evaluations, or "last", which is wiser where validation
            is too small to choose; without validation always the last.
        hiding: what pre-training hides. augmentation: of series, while training.
        label_smoothing: of the cross entropy, in [0, 1).
        precision: "fp32", or "bf16" for autocast. compile: compile the token-wise parts of the model.
        evaluate_every: epochs between evaluations on the validation samples; 0 = about fifty times in all.
        monitor: the validation metric that chooses the best checkpoint. patience: stop after so many evaluations
            without a better one; 0 = never.
        save_seconds: least time between two savings of the last state.
        seed: of everything random. num_workers: processes that read batches (the batches are the same).
        device: "auto" takes a GPU if there is one; "cpu", "cuda" or "cuda:N". trackers: names of experiment trackers
            that accelerate knows.
        progress: show a progress bar.
    """

    epochs: int = 50
    max_steps: int | None = None
    max_seconds: float | None = None
    batch_size: int = 64
    max_tokens: int | None = None
    accumulate: int = 1
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = 3e-4
    warmup_fraction: float = 0.1
    warmup_steps: int | None = None
    betas: tuple[float, float] = (0.9, 0.95)
    momentum: float = 0.9
    weight_decay: float = 0.05
    clip: float = 1.0
    average: float = 0.0
    keep: Literal["best", "last"] = "best"
    hiding: Masking = field(default_factory=Masking)
    augmentation: Augmentation = field(default_factory=Augmentation)
    label_smoothing: float = 0.0
    precision: Literal["fp32", "bf16"] = "fp32"
    compile: bool = False
    evaluate_every: int = 0
    monitor: str = "loss"
    patience: int = 0
    save_seconds: float = 10.0
    seed: int = 0
    num_workers: int = 0
    device: str = "auto"
    trackers: tuple[str, ...] = ()
    progress: bool = True

    def __post_init__(self) -> None:
        for name, cls in (("hiding", Masking), ("augmentation", Augmentation)):
            object.__setattr__(self, name, nested(cls, getattr(self, name), name))
        object.__setattr__(self, "betas", _two_betas(self.betas))
        trackers = [self.trackers] if isinstance(self.trackers, str) else self.trackers
        object.__setattr__(self, "trackers", tuple(trackers))
        for name in ("epochs", "batch_size", "accumulate"):
            if not is_count(getattr(self, name)):
                raise ValueError(f"{name} must be a whole number of at least 1, got {getattr(self, name)!r}")
        for name in ("max_steps", "max_tokens"):
            if getattr(self, name) is not None and not is_count(getattr(self, name)):
                raise ValueError(f"{name} must be a whole number of at least 1 or None, got {getattr(self, name)!r}")
        check_kinds(self)
        for name in ("warmup_fraction", "label_smoothing", "average"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")
        for name in ("learning_rate", "clip", "weight_decay", "momentum", "patience", "evaluate_every", "save_seconds"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")
        for name in ("warmup_steps", "max_seconds"):
            if getattr(self, name) is not None and not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be at least 0 or None, got {getattr(self, name)}")
        if self.precision not in ("fp32", "bf16"):
            raise ValueError(f"precision must be 'fp32' or 'bf16' (fp16 overflows here), got {self.precision!r}")
        if self.keep not in ("best", "last"):
            raise ValueError(f"keep must be 'best' or 'last', got {self.keep!r}")
        if self.optimizer not in ("adamw", "sgd"):
            raise ValueError(f"optimizer must be 'adamw' or 'sgd', got {self.optimizer!r}")

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> TrainingConfig:
        """From a dictionary of exactly these fields; an unknown key is an error that suggests."""
        check_keys(cls, given)
        return cls(**given)


# Settings that do not change what is learned, so that a run may be resumed with others.
NON_SEMANTIC_FIELDS = frozenset({"num_workers", "device", "trackers", "progress", "save_seconds"})
