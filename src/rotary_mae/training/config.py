"""Settings of training, as a frozen dataclass that a JSON or YAML file can hold."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from rotary_mae._settings import as_settings, check_keys, check_types, is_number, is_sequence, is_whole
from rotary_mae.batches.augmentation import Augmentation
from rotary_mae.batches.masking import Masking

NON_SEMANTIC_FIELDS = frozenset({"num_workers", "device", "trackers", "progress", "save_seconds"})
"""Settings that do not change what is learned, so that a run may be resumed with others."""


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of ``rotary_mae.train``.

    Attributes
    ----------
    epochs : int
        Number of times that training goes through the samples.
    max_steps : int or None
        Number of updates of the weights after which training and its learning-rate schedule end; None for ``epochs``
        alone.
    max_seconds : float or None
        Seconds of training after which it stops, wherever the schedule is; at least one update is made.
    batch_size : int
        Number of samples of a batch, over all processes.
    max_tokens : int or None
        Number of tokens that a batch is filled up to, with at most ``batch_size`` samples; None for batches of
        ``batch_size`` samples. A longer sample is a batch of its own.
    accumulate : int
        Number of batches whose gradients make one update.
    optimizer : {"adamw", "sgd"}
        Optimizer; "sgd" has ``momentum``.
    learning_rate : float
        Learning rate at the peak of the schedule.
    warmup_fraction : float
        Fraction of the updates over which the learning rate rises linearly to the peak, in [0, 1]. It then falls along
        a half cosine to 0.
    warmup_steps : int or None
        Number of updates of the rise, instead of ``warmup_fraction``.
    betas : tuple of two floats
        Decay rates of the moments of AdamW, in [0, 1).
    momentum : float
        Momentum of SGD.
    weight_decay : float
        Weight decay. It acts on matrices only, not on norms, biases, CLS and mask token.
    clip : float
        Largest norm of the gradient; 0 for no clipping.
    average : float
        Fraction of the updates that the exponential moving average of the weights reaches back over, in [0, 1].
        The averaged weights are evaluated and saved as the best, and are the result; the updates continue from the
        weights themselves. 0 for no averaging.
    keep : {"best", "last"}
        Weights that training ends with: the best of all evaluations, or the last. "last" is safer where the validation
        set is too small to choose. Without a validation set they are the last.
    hiding : Masking or dict
        Masking of tokens in pre-training, as a ``Masking`` or a dictionary of its settings.
    augmentation : Augmentation or dict
        Augmentation of the training samples, as an ``Augmentation`` or a dictionary of its settings.
    label_smoothing : float
        Label smoothing of the cross entropy, in [0, 1].
    precision : {"fp32", "bf16"}
        Precision of the forward and the backward computation; "bf16" is autocast.
    compile : bool
        True to compile the token-wise parts of the model.
    evaluate_every : int
        Number of epochs between evaluations on the validation set; 0 for about fifty evaluations in all.
    monitor : str
        Validation metric that chooses the best weights.
    patience : int
        Number of evaluations without a better ``monitor`` after which training stops; 0 for never.
    save_seconds : float
        Least number of seconds between two checkpoints of the last state.
    seed : int
        Seed of all random numbers: batches, masks, augmentation and dropout.
    num_workers : int
        Number of processes that read batches; the batches do not depend on it.
    device : str
        "auto" (a GPU if there is one), "cpu", "cuda" or "cuda:N".
    trackers : tuple of str
        Names of experiment trackers that accelerate supports, for example "tensorboard".
    progress : bool
        True to show a progress bar.
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
            object.__setattr__(self, name, as_settings(cls, getattr(self, name), name))
        object.__setattr__(self, "betas", _checked_betas(self.betas))
        trackers = [self.trackers] if isinstance(self.trackers, str) else self.trackers
        object.__setattr__(self, "trackers", tuple(trackers))
        for name in ("epochs", "batch_size", "accumulate"):
            if not _is_positive_whole(getattr(self, name)):
                raise ValueError(f"{name} must be a whole number of at least 1, got {getattr(self, name)!r}")
        for name in ("max_steps", "max_tokens"):
            if getattr(self, name) is not None and not _is_positive_whole(getattr(self, name)):
                raise ValueError(f"{name} must be a whole number of at least 1 or None, got {getattr(self, name)!r}")
        check_types(self)
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
        """Return all settings as JSON can hold them.

        Returns
        -------
        dict
            Settings by name, with dictionaries for ``hiding`` and ``augmentation``.
        """
        return asdict(self)

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> TrainingConfig:
        """Make the settings from a dictionary.

        Parameters
        ----------
        given : dict
            Settings by name; those that are missing have their defaults.

        Returns
        -------
        TrainingConfig
            The checked settings.

        Raises
        ------
        ValueError
            If a name is unknown (with a suggestion) or a value is not valid.
        """
        check_keys(cls, given)
        return cls(**given)


def _is_positive_whole(given: Any) -> bool:
    return is_whole(given) and given >= 1


def _checked_betas(betas: Any) -> tuple[float, float]:
    """Return a list, tuple or array of two numbers in [0, 1) as a tuple; raise ValueError for anything else."""
    if not is_sequence(betas) or len(betas) != 2 or not all(is_number(b) and 0 <= b < 1 for b in betas):
        raise ValueError(f"betas must be two numbers of at least 0 and below 1, got {betas!r}")
    return float(betas[0]), float(betas[1])
