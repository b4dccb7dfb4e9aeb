"""What a fit starts from: the model behind ``init``, a scaling for one without, a seeded new one."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from rotary_mae.data.scaling import Scaling
from rotary_mae.data.sources import Source
from rotary_mae.models.pretrained import Pretrained, find_folder, read_description
from rotary_mae.models.registry import MODEL_CLASSES
from rotary_mae.training.seeding import seeded


def initial_model(init: Any) -> Pretrained | None:
    """The model of ``init``."""
    if init is None:
        return None
    if isinstance(init, (str, Path)):
        folder = find_folder(init)
        return MODEL_CLASSES[read_description(folder)["model"]].from_pretrained(folder)
    if isinstance(init, Pretrained):
        return init
    if not hasattr(init, "fit"):
        raise TypeError(f"init must be a fitted estimator, the folder of a run, a model or None, got {init!r}")
    check_is_fitted(
        init,
        msg="init is a %(name)s that is not fitted. Fit it first; a grid search copies what it tries unfitted: "
        "give its grid the folder of a fitted one, or sklearn.frozen.FrozenEstimator(fitted)",
    )
    if not isinstance(getattr(init, "model_", None), Pretrained):
        raise TypeError(f"init must be an estimator of this package, fitted, got {init!r}")
    initial: Pretrained = init.model_
    return initial


def scaling_for(source: Source, initial: Pretrained | None, unit: Any) -> Scaling:
    """That of ``initial``, which the data must fit; else, or if it has none, fitted to the data."""
    if initial is None:
        return Scaling.fit(source, unit=unit)
    if initial.scaling is None:
        return _new_scaling(source, initial, unit)
    source[np.arange(1)].conform(initial.scaling.schema)
    fitted = [initial.scaling.unit[axis] for axis in initial.scaling.schema.continuous_axes]
    if unit != "auto" and not np.allclose(unit, fitted):
        raise ValueError(
            f"init was trained with the unit {fitted}, which goes with its weights; leave unit={unit} away"
        )
    return initial.scaling


def _new_scaling(source: Source, initial: Pretrained, unit: Any) -> Scaling:
    """Fitted to the data, for a model that has none: of the official code, or trained on tokens scaled by hand."""
    schema, config = source.schema, initial.config
    if (len(schema.roles), len(schema.axes)) != (config.n_values, config.n_axes):
        raise ValueError(
            f"init reads {config.n_values} values at positions on {config.n_axes} axes, the data has "
            f"{len(schema.roles)} at {len(schema.axes)} {schema.axes}; choose other columns or another layout"
        )
    warnings.warn(
        "init comes without a scaling of values and positions; one was fitted to this data. It should mean what "
        "init was trained on: see unit",
        stacklevel=4,
    )
    return Scaling.fit(source, unit=unit)


def seeded_model(seed: int, make: Callable[[], Any]) -> Any:
    """What ``make()`` builds with torch seeded by ``seed``; the caller's randomness is left as it was."""
    with seeded(seed):
        return make()
