"""Training as one function: pre-training and fine-tuning, in one process or several, resumed to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae._atomic import user_path
from rotary_mae._torch_state import standard_torch
from rotary_mae.batches.masking import VALIDATION_EPOCH
from rotary_mae.data.sample_values import per_sample
from rotary_mae.data.scaling import Scaling
from rotary_mae.data.sources import Source, adapt_source
from rotary_mae.models.autoencoder import RoMAEForPreTraining
from rotary_mae.models.predictor import RoMAEForPrediction
from rotary_mae.models.pretrained import Pretrained
from rotary_mae.training.config import TrainingConfig
from rotary_mae.training.dataloader import BatchReader
from rotary_mae.training.distributed import training_accelerator
from rotary_mae.training.seeding import seeded_training
from rotary_mae.training.trainer import Trainer, TrainingResult


def train(
    model: Pretrained,
    tokens: Source,
    config: TrainingConfig | None = None,
    *,
    validation: Source | None = None,
    out: str | Path | None = None,
    scaling: Scaling | None = None,
    resume: bool = False,
    sample_weight: Any = None,
    validation_weight: Any = None,
    title: str | None = None,
) -> TrainingResult:
    """Train a model in place.

    The model ends in evaluation mode, with the weights that ``config.keep`` chooses.

    Parameters
    ----------
    model : RoMAEForPreTraining or RoMAEForPrediction
        Model to train; a RoMAEForPrediction needs tokens with numeric targets.
    tokens : Source
        A TokenSet or another source of B training samples: scaled, or raw with ``scaling``.
    config : TrainingConfig, optional
        Settings of the training.
    validation : Source, optional
        Samples that choose the best weights (unless ``config.keep`` is "last") and, with ``config.patience``, the end
        of the training.
    out : str or Path, optional
        Folder for metrics and checkpoints; nothing is written without it.
    scaling : Scaling, optional
        Scaling that is applied to every batch of ``tokens`` and ``validation``, and saved with the weights.
    resume : bool
        True to continue the run in ``out`` from its last checkpoint, if there is one. On a CPU the result is the same
        to the bit as that of an uninterrupted run.
    sample_weight, validation_weight : array of float, shape (B,), mapping or Series, optional
        Weights of the training and of the validation samples in the loss, in the order of the samples or keyed by id.
    title : str, optional
        Text in front of the progress bar.

    Returns
    -------
    TrainingResult
        Metrics of all epochs, and the best of them.

    Raises
    ------
    FileExistsError
        If ``out`` holds another run or other files.
    FloatingPointError
        If the loss or a weight becomes infinite or NaN. Earlier checkpoints in ``out`` are not changed.
    KeyboardInterrupt
        After Ctrl-C or SIGTERM, with the state saved in ``out``.
    """
    config = config or TrainingConfig()
    _check_model(model)
    source, validation = _as_source(tokens), None if validation is None else _as_source(validation)
    _check_samples(model, source, validation)
    out = None if out is None else user_path(out)
    if resume and out is None:
        raise ValueError("resume needs out=, the folder of the run to continue")
    weights = None if sample_weight is None else _checked_weights("sample_weight", sample_weight, source)
    hiding = config.hiding if isinstance(model, RoMAEForPreTraining) else None
    reader = BatchReader(source, scaling, hiding, config.augmentation or None, config.seed, 0, weights)
    validation_reader = None
    if validation is not None:
        weights = None
        if validation_weight is not None:
            weights = _checked_weights("validation_weight", validation_weight, validation)
        validation_reader = BatchReader(validation, scaling, hiding, None, config.seed, VALIDATION_EPOCH, weights)
    if scaling is not None:
        model.scaling = scaling
    with (
        standard_torch(),
        training_accelerator(config, out) as accelerator,
        seeded_training(config.seed, accelerator.process_index),
    ):
        trainer = Trainer(model, reader, validation_reader, config, accelerator, out)
        return trainer.run(resume, title or "train")


def _check_model(model: Any) -> None:
    if not isinstance(model, Pretrained):
        raise TypeError(
            f"train needs a RoMAEForPreTraining or RoMAEForPrediction, got {type(model).__name__}; estimators have fit"
        )


def _as_source(given: Any) -> Source:
    source = adapt_source(given)
    if source is None:
        raise TypeError(
            f"train needs a TokenSet or another Source, got {type(given).__name__}; make tokens of it first, with "
            "from_frame or from_arrays"
        )
    return source


def _check_samples(model: Pretrained, source: Source, validation: Source | None) -> None:
    """Raise ValueError for an empty set, or for targets that the model cannot learn."""
    if isinstance(model, RoMAEForPrediction) and model.per == "sample":
        _check_targets(source.targets, model.outputs)
        _check_targets(None if validation is None else validation.targets, model.outputs)
    if len(source) == 0:
        raise ValueError("there are no training samples; give at least one")
    if validation is not None and len(validation) == 0:
        raise ValueError("there are no validation samples; give some, or validation=None")


def _checked_weights(name: str, given: Any, source: Source) -> npt.NDArray[np.float32]:
    weights = per_sample(given, len(source), name, lambda: source.ids).astype(np.float32)
    if n_bad := int(np.count_nonzero(~(np.isfinite(weights) & (weights >= 0)))):
        raise ValueError(
            f"{name} must be finite numbers of at least 0, {n_bad} of them are not; leave those samples out"
        )
    if not weights.any():
        raise ValueError(f"{name} is zero for every sample, so that none would count; give some a positive weight")
    return weights


def _check_targets(given: Any, n_outputs: int) -> None:
    """Raise ValueError for numbers that are not finite, and for integers that are no class, 0 to n_outputs - 1."""
    targets = np.asarray([] if given is None else given)
    if targets.dtype.kind == "f" and (n_bad := int(np.count_nonzero(~np.isfinite(targets)))):
        raise ValueError(f"targets must be finite, {n_bad} of them are not; leave those samples out")
    if targets.dtype.kind not in "iub":
        return
    if targets.ndim > 1:
        raise ValueError(
            f"whole-number targets are classes, one a sample, got shape {targets.shape}; give floats for regression"
        )
    if len(targets) and not 0 <= int(targets.min()) <= int(targets.max()) < n_outputs:
        raise ValueError(
            f"whole-number targets are classes, 0 to {n_outputs - 1} for a model with outputs={n_outputs}; got "
            f"{int(targets.min())} to {int(targets.max())}: number them from 0, raise outputs, or give floats for "
            "regression"
        )
