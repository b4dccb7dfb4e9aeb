"""Cheap sets to compare settings on: training and validation samples, as a model shall see them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

import rotary_mae as rm
from reproduce.synthetic.data import make_series
from reproduce.synthetic.augmentation import as_tokens
from rotary_mae.datasets.uea import load_uea

SYNTHETIC_SEED, LIGHT_CURVES_SEED = 0, 100


@dataclass(frozen=True)
class Parts:
    """Scaled samples with whole numbers as labels (none for interpolation), and how many classes there are."""

    training: rm.TokenSet
    validation: rm.TokenSet
    n_classes: int = 0


def synthetic(n: int, unit: Any) -> Parts:
    """Series to interpolate; an eighth judges."""
    tokens = as_tokens(make_series(n, SYNTHETIC_SEED))
    return _scaled(tokens[: n - n // 8], tokens[n - n // 8 :], unit, 0)


def light_curves(n: int, unit: Any, seed: int) -> Parts:
    """Simulated light curves of four classes; a quarter judges."""
    return _halves(rm.simulate_light_curves(n, seed=LIGHT_CURVES_SEED), unit, seed)


def basic_motions(unit: Any, seed: int) -> Parts:
    """The training part of UEA BasicMotions; a quarter of it judges."""
    return _halves(load_uea("BasicMotions", "train"), unit, seed)


def _halves(tokens: rm.TokenSet, unit: Any, seed: int) -> Parts:
    classes, labels = np.unique(np.asarray(tokens.targets), return_inverse=True)
    tokens = tokens.with_targets(labels)
    everything = np.arange(len(tokens))
    training, validation = train_test_split(everything, test_size=0.25, random_state=seed, stratify=labels)
    return _scaled(tokens[training], tokens[validation], unit, len(classes))


def _scaled(training: rm.TokenSet, validation: rm.TokenSet, unit: Any, n_classes: int) -> Parts:
    scaling = rm.Scaling.fit(training, unit=unit)
    return Parts(scaling.apply(training), scaling.apply(validation), n_classes)


def channels_as_values(tokens: rm.TokenSet) -> rm.TokenSet:
    """The channel as values 0 and 1 beside the measured ones, which a linear layer makes a learned embedding of."""
    schema = tokens.schema
    axis = schema.channel_axis
    assert axis is not None
    n_channels = len(schema.channels)
    one_hot = np.eye(n_channels)[tokens.positions[:, axis].astype(int)]
    axes = tuple(name for name in schema.axes if name != "channel")
    return rm.TokenSet(
        np.column_stack([tokens.values, one_hot]),
        np.delete(tokens.positions, axis, axis=1),
        tokens.lengths,
        ids=tokens.ids,
        targets=tokens.targets,
        schema=replace(schema, axes=axes, channels=(), roles=(*schema.roles, *("static",) * n_channels)),
    )
