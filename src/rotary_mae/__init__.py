"""RoMAE: masked autoencoders for values at real-valued positions (arXiv 2505.20535).

Importing the package loads nothing: each public name is imported at its first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# names and types for type checkers and editors
if TYPE_CHECKING:
    from rotary_mae.batches.augmentation import Augmentation
    from rotary_mae.batches.batch import TokenBatch
    from rotary_mae.batches.masking import Masking
    from rotary_mae.data.arrays import from_arrays
    from rotary_mae.data.audio import LazyAudio, from_audio, spectrograms_from_tokens
    from rotary_mae.data.cache import open_cache, write_cache
    from rotary_mae.data.files import read_parquet
    from rotary_mae.data.frames import from_frame
    from rotary_mae.data.images import LazyImages, from_images, images_from_tokens
    from rotary_mae.data.scaling import Scaling
    from rotary_mae.data.schema import Schema
    from rotary_mae.data.simulate import simulate_light_curves
    from rotary_mae.data.sources import Source
    from rotary_mae.data.tokens import TokenSet
    from rotary_mae.estimators.classifier import RoMAEClassifier
    from rotary_mae.estimators.data_shift import DataShiftWarning
    from rotary_mae.estimators.embedder import RoMAEEmbedder
    from rotary_mae.estimators.evaluate import evaluate
    from rotary_mae.estimators.interpolator import RoMAEInterpolator
    from rotary_mae.estimators.loading import load
    from rotary_mae.estimators.regressor import RoMAERegressor
    from rotary_mae.models.autoencoder import RoMAEForPreTraining
    from rotary_mae.models.config import DecoderConfig, RoMAEConfig
    from rotary_mae.models.official import from_official
    from rotary_mae.models.predictor import RoMAEForPrediction
    from rotary_mae.models.transfer import transfer
    from rotary_mae.report.plots import plot_interpolation, plot_reconstruction
    from rotary_mae.training.config import TrainingConfig
    from rotary_mae.training.train import train
    from rotary_mae.training.trainer import TrainingResult

__version__ = "0.1.0.dev0"

_MODULES = {
    "Augmentation": "batches.augmentation",
    "DataShiftWarning": "estimators.data_shift",
    "DecoderConfig": "models.config",
    "LazyAudio": "data.audio",
    "LazyImages": "data.images",
    "Masking": "batches.masking",
    "RoMAEClassifier": "estimators.classifier",
    "RoMAEConfig": "models.config",
    "RoMAEEmbedder": "estimators.embedder",
    "RoMAEForPreTraining": "models.autoencoder",
    "RoMAEForPrediction": "models.predictor",
    "RoMAEInterpolator": "estimators.interpolator",
    "RoMAERegressor": "estimators.regressor",
    "Scaling": "data.scaling",
    "Schema": "data.schema",
    "Source": "data.sources",
    "TokenBatch": "batches.batch",
    "TokenSet": "data.tokens",
    "TrainingConfig": "training.config",
    "TrainingResult": "training.trainer",
    "evaluate": "estimators.evaluate",
    "from_arrays": "data.arrays",
    "from_audio": "data.audio",
    "from_frame": "data.frames",
    "from_images": "data.images",
    "from_official": "models.official",
    "images_from_tokens": "data.images",
    "load": "estimators.loading",
    "open_cache": "data.cache",
    "plot_interpolation": "report.plots",
    "plot_reconstruction": "report.plots",
    "read_parquet": "data.files",
    "simulate_light_curves": "data.simulate",
    "spectrograms_from_tokens": "data.audio",
    "train": "training.train",
    "transfer": "models.transfer",
    "write_cache": "data.cache",
}

__all__ = [
    "Augmentation",
    "DataShiftWarning",
    "DecoderConfig",
    "LazyAudio",
    "LazyImages",
    "Masking",
    "RoMAEClassifier",
    "RoMAEConfig",
    "RoMAEEmbedder",
    "RoMAEForPreTraining",
    "RoMAEForPrediction",
    "RoMAEInterpolator",
    "RoMAERegressor",
    "Scaling",
    "Schema",
    "Source",
    "TokenBatch",
    "TokenSet",
    "TrainingConfig",
    "TrainingResult",
    "__version__",
    "evaluate",
    "from_arrays",
    "from_audio",
    "from_frame",
    "from_images",
    "from_official",
    "images_from_tokens",
    "load",
    "open_cache",
    "plot_interpolation",
    "plot_reconstruction",
    "read_parquet",
    "simulate_light_curves",
    "spectrograms_from_tokens",
    "train",
    "transfer",
    "write_cache",
]


# a type checker that knew of it would accept any name
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module 'rotary_mae' has no attribute {name!r}")
        return getattr(import_module(f"rotary_mae.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
