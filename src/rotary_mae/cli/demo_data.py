"""Data sets of the demo, and what it measures on them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae._atomic import replacing_file
from rotary_mae.data.simulate import simulate_with_truth
from rotary_mae.data.tokens import TokenSet

NoiseFreeValues = Callable[[int, npt.NDArray[np.float64]], npt.NDArray[np.float64]]
"""Index of an object and positions (q, 2) -> values (q, 1) without noise."""


@dataclass(frozen=True)
class DemoData:
    """A labelled data set and the settings of its demo.

    Attributes
    ----------
    name : str
        Title of the page.
    tokens : TokenSet
        All objects, with their classes as targets.
    n_labelled : int or None
        Number of training objects whose labels are used; None for all.
    n_test : int
        Number of objects in the test set.
    seeds : tuple of int
        Seeds of repeated splits and trainings.
    pretrain_epochs, classify_epochs : int
        Epochs of pre-training and of fine-tuning.
    thinning, pretrain_thinning : float
        Largest fraction of tokens that augmentation drops in fine-tuning and in pre-training.
    value_name : str
        Label of the value axis.
    is_inverted : bool
        True if smaller values are drawn at the top, as is usual for magnitudes.
    truth : callable or None
        Values without noise; None if unknown.
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
    truth: NoiseFreeValues | None = None


@dataclass
class DemoResults:
    """Measurements of the demo.

    Attributes
    ----------
    scores : dict
        Balanced accuracies on the test set by method, one per seed.
    interpolation : dict
        Metrics on masked values of the test set, of the first seed.
    curves : dict
        Metrics of each epoch by training, of the first seed.
    counts : dict
        Number of objects for pre-training, with labels, and in the test set.
    seconds : float
        Duration of the demo.
    """

    scores: dict[str, list[float]] = field(default_factory=dict)
    interpolation: dict[str, float] = field(default_factory=dict)
    curves: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def save(self, path: Path, data: DemoData) -> None:
        """Write the results as JSON."""
        results = {"data": data.name, "seeds": data.seeds, **asdict(self)}
        with replacing_file(path) as partial:
            partial.write_text(json.dumps(results, indent=1))


def simulated_light_curves(seed: int) -> DemoData:
    """Return simulated light curves of four classes; the demo takes up to 3 minutes on 2 cores."""
    curves = simulate_with_truth(1100, seed=seed)
    return DemoData(
        "Simulated light curves",
        curves.tokens,
        n_labelled=160,
        n_test=300,
        seeds=(seed,),
        pretrain_epochs=20,
        classify_epochs=30,
        thinning=0.5,
        pretrain_thinning=0.0,
        value_name="flux",
        is_inverted=False,
        truth=curves.truth,
    )


def stripe82_stars(seed: int) -> DemoData:
    """Return 483 RR Lyrae stars of SDSS Stripe 82, downloaded once; the demo takes about 10 minutes."""
    from rotary_mae.datasets.stripe82 import load_stripe82

    return DemoData(
        "SDSS Stripe 82 RR Lyrae",
        load_stripe82(),
        n_labelled=None,
        n_test=97,
        seeds=(seed, seed + 1, seed + 2),
        pretrain_epochs=15,
        classify_epochs=15,
        thinning=0.8,
        pretrain_thinning=0.8,
        value_name="magnitude",
        is_inverted=True,
    )
