"""Training as one call: pre-training and fine-tuning, one process or many, resumed exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae.batches.masking import VALIDATION_EPOCH
from rotary_mae.data.scaling import Scaling
from rotary_mae.data.sources import MinimalSource, Source, adapt_source
from rotary_mae.models.autoencoder import RoMAEForPreTraining
from rotary_mae.models.predictor import RoMAEForPrediction
from rotary_mae.models.pretrained import Pretrained
from rotary_mae.training.config import TrainingConfig
from rotary_mae.training.dataloader import BatchReader
from rotary_mae.training.distributed import make_accelerator, on_device
from rotary_mae.training.seeding import seeded_training
from rotary_mae.training.trainer import Trainer, TrainingResult

__all__ = ["TrainingResult", "train"]


def train(
    model: Pretrained,
    tokens: MinimalSource,
    config: TrainingConfig | None = None,
    *,
    validation: MinimalSource | None = None,
    out: str | Path | None = None,
    scaling: Scaling | None = None,
    resume: bool = False,
    sample_weight: npt.ArrayLike | None = None,
    validation_weight: npt.ArrayLike | None = None,
    title: str | None = None,
) -> TrainingResult:
    """Train a model in place; it ends in evaluation mode with the weights that ``config.keep`` says.

    Args:
        model: RoMAEForPreTraining, or RoMAEForPrediction for tokens with numeric targets.
        tokens: a TokenSet or another Source of training samples, as the model shall see them, or raw with
            ``scaling``.
        config: see TrainingConfig.
        validation: samples that choose the best checkpoint (unless ``config.keep`` is "last") and, with
            ``config.patience``, when to stop.
        out: a folder for metrics and checkpoints; nothing is written if None.
        scaling: applied to every batch of tokens and validation, and saved with the weights.
        resume: go on with the run in ``out`` from its last state, if there is one; the result is the same to the
            bit on a CPU as if it had never stopped.
        sample_weight, validation_weight: (B,) weights of the training and of the validation samples in the loss.
        title: what the progress bar calls it.

    Raises:
        FileExistsError: ``out`` holds another run.
        FloatingPointError: the loss or a weight became infinite or NaN; what was saved before stays.
        KeyboardInterrupt: after Ctrl-C or SIGTERM, with the state saved in ``out``.
    """
    config = config or TrainingConfig()
    _check_model(model)
    source = _as_source(tokens)
    validation_source = None if validation is None else _as_source(validation)
    if isinstance(model, RoMAEForPrediction) and model.per == "sample":
        for part in (source, validation_source):
            _check_targets(None if part is None else part.targets, model.outputs)
    if len(source) == 0:
        raise ValueError("there are no training samples")
    if validation_source is not None and len(validation_source) == 0:
        raise ValueError("there are no validation samples; give some, or validation=None")
    if resume and out is None:
        raise ValueError("resume needs out=, the folder of the run to go on with")
    weights = None if sample_weight is None else _checked_weights(sample_weight, len(source))
    is_pretraining = isinstance(model, RoMAEForPreTraining)
    hiding = config.hiding if is_pretraining else None
    reader = BatchReader(source, scaling, hiding, config.augmentation or None, config.seed, 0, weights)
    validating = None
    if validation_source is not None:
        judged = None if validation_weight is None else _checked_weights(validation_weight, len(validation_source))
        validating = BatchReader(validation_source, scaling, hiding, None, config.seed, VALIDATION_EPOCH, judged)
    if scaling is not None:
        model.scaling = scaling
    accelerator = make_accelerator(config, out)
    with on_device(accelerator.device), seeded_training(config.seed, accelerator.process_index):
        trainer = Trainer(model, reader, validating, config, accelerator, out)
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


def _checked_weights(given: npt.ArrayLike, n_samples: int) -> npt.NDArray[np.float32]:
    weights = np.asarray(given, np.float32)
    if weights.shape != (n_samples,) or not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ValueError(f"sample_weight must be ({n_samples},) finite numbers of at least 0, got {weights.shape}")
    if not weights.any():
        raise ValueError("sample_weight is zero for every training sample; nothing would be learned")
    return weights


def _check_targets(given: Any, n_outputs: int) -> None:
    """Raise ValueError for numbers that are not finite, and for whole numbers that are no class, 0 to n_outputs - 1."""
    targets = np.asarray([] if given is None else given)
    if targets.dtype.kind == "f" and (n_bad := int(np.count_nonzero(~np.isfinite(targets)))):
        raise ValueError(f"targets must be finite, {n_bad} of them are not; leave those samples out")
    if targets.dtype.kind not in "iub":
        return
    if targets.ndim > 1:
        raise ValueError(f"whole-number targets are classes, one a sample, got {targets.shape}; give floats to regress")
    if len(targets) and not 0 <= int(targets.min()) <= int(targets.max()) < n_outputs:
        raise ValueError(
            f"whole-number targets are classes, 0 to {n_outputs - 1} for a model with outputs={n_outputs}; got "
            f"{int(targets.min())} to {int(targets.max())}: number them anew, raise outputs, or give floats to regress"
        )
