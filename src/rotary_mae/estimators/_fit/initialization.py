"""Initial weights and scaling of a fit: from ``init``, from pre-training, or new."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from rotary_mae._warnings import warn_caller
from rotary_mae.data.alignment import align
from rotary_mae.data.scaling import Scaling
from rotary_mae.data.scaling_statistics import unobserved_channels
from rotary_mae.data.sources import Source
from rotary_mae.models.pretrained import Pretrained
from rotary_mae.models.registry import load_model
from rotary_mae.training.run_folder import PRETRAINING, RunFolder
from rotary_mae.training.seeding import seeded

# Settings of training that need labels, which pre-training does not have.
LABEL_SETTINGS = frozenset({"monitor", "label_smoothing"})


def initial_model(init: Any) -> Pretrained | None:
    """Return the model that ``init`` names.

    Parameters
    ----------
    init : fitted estimator, path, Pretrained, or None
        A path is a run or checkpoint folder, or a repository of the Hugging Face Hub.

    Returns
    -------
    Pretrained or None
        None without ``init``.

    Raises
    ------
    TypeError
        If ``init`` is anything else.
    NotFittedError
        If ``init`` is an estimator that is not fitted.
    """
    if init is None:
        return None
    if isinstance(init, (str, Path)):
        return load_model(init)
    if isinstance(init, Pretrained):
        return init
    if not hasattr(init, "fit"):
        raise TypeError(f"init must be a fitted estimator, the folder of a run, a model or None, got {init!r}")
    check_is_fitted(
        init,
        msg="init is a %(name)s that is not fitted. Fit it first; a grid search makes unfitted copies of the values of "
        "its grid: give the grid the folder of a fitted one, or sklearn.frozen.FrozenEstimator(fitted)",
    )
    if not isinstance(getattr(init, "model_", None), Pretrained):
        raise TypeError(f"init must be an estimator of this package, fitted, got {init!r}")
    initial: Pretrained = init.model_
    return initial


def scaling_for(source: Source, initial: Pretrained | None, unit: Any) -> Scaling:
    """Return the scaling of ``initial``, or fit one to the data if there is none.

    Raises ValueError if the data do not fit the scaling of ``initial``, or if ``unit`` is not its unit.
    """
    if initial is None or initial.scaling is None:
        new = Scaling.fit(source, unit=unit) if initial is None else _new_scaling(source, initial, unit)
        return replace(new, unobserved=unobserved_channels(source, new.schema))
    scaling = initial.scaling
    if source.schema != scaling.schema:
        align(source[np.arange(1)], scaling.schema)  # raises for data of another kind
    fitted = [scaling.unit[axis] for axis in scaling.schema.continuous_axes]
    if unit != "auto" and not np.allclose(unit, fitted):
        raise ValueError(f"init was trained with the unit {fitted}, and its weights need it; leave out unit={unit}")
    if scaling.unobserved:
        # fine-tuning may learn what pre-training could not
        without = unobserved_channels(source, scaling.schema)
        scaling = replace(scaling, unobserved=tuple(name for name in scaling.unobserved if name in without))
    return scaling


def _new_scaling(source: Source, initial: Pretrained, unit: Any) -> Scaling:
    """Fit a scaling for a model without one: of the official code, or trained on tokens that the user scaled."""
    schema, config = source.schema, initial.config
    if (len(schema.roles), len(schema.axes)) != (config.n_values, config.n_axes):
        raise ValueError(
            f"init reads {config.n_values} values at positions on {config.n_axes} axes, the data has "
            f"{len(schema.roles)} at {len(schema.axes)} {schema.axes}; choose other columns or another layout"
        )
    warn_caller(
        "init comes without a scaling of values and positions, so one was fitted to this data. It should be close to "
        "the scaling that init was trained with: see unit"
    )
    return Scaling.fit(source, unit=unit)


def seeded_model(seed: int, make: Callable[[], Any]) -> Any:
    """Return ``make()`` with torch seeded by ``seed``; the random state of the caller does not change."""
    with seeded(seed):
        return make()


def pretrain(
    make_embedder: Callable[..., Any], parameters: Mapping[str, Any], source: Source, groups: Any, seed: int
) -> Pretrained:
    """Pre-train a model, for a fit in which some samples have no label.

    Pre-training has half of ``max_minutes``, and the sub-folder ``pretraining`` of the run folder.

    Parameters
    ----------
    make_embedder : callable
        Class of the estimator that pre-trains; its ``fit`` leaves the model in ``model_``.
    parameters : mapping
        Constructor parameters of the estimator that is fitted; those that the embedder has are used.
    source : Source
        B samples: all of the fit but the validation samples.
    groups : array, shape (B,), or None
        Groups that the validation split does not divide.
    seed : int
        Seed of the fit.

    Returns
    -------
    Pretrained
        The trained model.
    """
    out, max_minutes = parameters["out"], parameters["max_minutes"]
    if out is not None:
        RunFolder(out).check_free(parameters["resume"])
    settings = {name: parameters[name] for name in make_embedder().get_params(deep=False)}
    settings["training"] = {k: v for k, v in (parameters["training"] or {}).items() if k not in LABEL_SETTINGS}
    settings["out"] = None if out is None else RunFolder(out).path / PRETRAINING
    settings["max_minutes"] = None if max_minutes is None else max_minutes / 2
    settings["random_state"] = seed
    if parameters["verbose"]:
        print(f"some samples have no label: pre-training on {len(source)} samples first")
    model: Pretrained = make_embedder(**settings).fit(source, groups=groups).model_
    return model
