"""RoMAE: masked autoencoders for values at real-valued positions (arXiv 2505.20535).

Importing the package does nothing but name things: each public name is loaded when first used.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0.dev0"

_HOME = {
    "TokenSet": "data.tokens",
    "Source": "data.sources",
    "from_frame": "data.frames",
    "from_arrays": "data.arrays",
    "from_images": "data.images",
    "from_audio": "data.audio",
    "LazyImages": "data.images",
    "LazyAudio": "data.audio",
    "images_from_tokens": "data.images",
    "spectrograms_from_tokens": "data.audio",
    "read_parquet": "data.files",
    "open_cache": "data.cache",
    "write_cache": "data.cache",
    "Scaling": "data.scaling",
    "simulate_light_curves": "data.simulate",
    "TokenBatch": "batches.batch",
    "RoMAEConfig": "models.config",
    "RoMAEForPreTraining": "models.autoencoder",
    "RoMAEForPrediction": "models.predictor",
    "from_official": "models.official",
    "transfer": "models.transfer",
    "TrainingConfig": "training.config",
    "TrainingResult": "training.trainer",
    "train": "training.train",
    "RoMAEEmbedder": "estimators.embedder",
    "RoMAEClassifier": "estimators.classifier",
    "RoMAERegressor": "estimators.regressor",
    "RoMAEInterpolator": "estimators.interpolator",
    "DataShiftWarning": "estimators.data_shift",
    "load": "estimators.loading",
    "plot_interpolation": "report.plots",
    "plot_reconstruction": "report.plots",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'rotary_mae' has no attribute {name!r}")
    return getattr(import_module(f"rotary_mae.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
