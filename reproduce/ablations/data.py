"""Small datasets to compare settings on: scaled training and validation samples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

import rotary_mae as rm
from reproduce.synthetic.augmentation import as_tokens
from reproduce.synthetic.data import make_series
from rotary_mae.datasets.uea import load_uea

SYNTHETIC_SEED, LIGHT_CURVES_SEED = 0, 100


@dataclass(frozen=True)
class Split:
    """Scaled training and validation samples.

    Attributes
    ----------
    training, validation : TokenSet
        Samples with integers as targets; without targets for interpolation.
    n_classes : int
        Number of classes; 0 for interpolation.
    """

    training: rm.TokenSet
    validation: rm.TokenSet
    n_classes: int = 0


def synthetic(n: int, unit: Any) -> Split:
    """Return ``n`` generated series to interpolate; the validation set is an eighth of them."""
    tokens = as_tokens(make_series(n, SYNTHETIC_SEED))
    return _scaled(tokens[: n - n // 8], tokens[n - n // 8 :], unit, 0)


def light_curves(n: int, unit: Any, seed: int) -> Split:
    """Return ``n`` simulated light curves of four classes; the validation set is a quarter of them."""
    return _stratified_split(rm.simulate_light_curves(n, seed=LIGHT_CURVES_SEED), unit, seed)


def basic_motions(unit: Any, seed: int) -> Split:
    """Return the training set of UEA BasicMotions; the validation set is a quarter of it."""
    return _stratified_split(load_uea("BasicMotions", "train"), unit, seed)


def _stratified_split(tokens: rm.TokenSet, unit: Any, seed: int) -> Split:
    classes, labels = np.unique(np.asarray(tokens.targets), return_inverse=True)
    tokens = tokens.with_targets(labels)
    indices = np.arange(len(tokens))
    training, validation = train_test_split(indices, test_size=0.25, random_state=seed, stratify=labels)
    return _scaled(tokens[training], tokens[validation], unit, len(classes))


def _scaled(training: rm.TokenSet, validation: rm.TokenSet, unit: Any, n_classes: int) -> Split:
    scaling = rm.Scaling.fit(training, unit=unit)
    return Split(scaling.apply(training), scaling.apply(validation), n_classes)


def channels_as_values(tokens: rm.TokenSet) -> rm.TokenSet:
    """Return tokens whose channel is one-hot encoded beside the measured values instead of being an axis.

    A linear projection of the one-hot values is a learned embedding of the channel.
    """
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
