"""What the demo runs on, and what came out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae.data.tokens import TokenSet

Array = npt.NDArray[Any]
Truth = Callable[[int, npt.NDArray[np.float64]], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Material:
    """What the demo runs on.

    tokens: all objects, with classes as targets. n_labelled: how many training objects have labels to learn from
    (None: all). truth: the noise-free value of object i at positions (q, 2), where it is known. seeds: repetitions
    of split and fine-tuning.
    """

    name: str
    tokens: TokenSet
    n_labelled: int | None
    n_test: int
    seeds: tuple[int, ...]
    pretrain_epochs: int
    classify_epochs: int
    thinning: float
    pretrain_thinning: float
    value_name: str
    is_inverted: bool
    truth: Truth | None = None


@dataclass
class Story:
    """What came out: balanced accuracies by method (one a seed), metrics of interpolation, training curves."""

    scores: dict[str, list[float]] = field(default_factory=dict)
    interpolation: dict[str, float] = field(default_factory=dict)
    curves: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
