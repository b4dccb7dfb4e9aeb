"""Model classes by name."""

from __future__ import annotations

from rotary_mae.models.autoencoder import RoMAEForPreTraining
from rotary_mae.models.predictor import RoMAEForPrediction
from rotary_mae.models.pretrained import Pretrained

MODEL_CLASSES: dict[str, type[Pretrained]] = {
    "RoMAEForPreTraining": RoMAEForPreTraining,
    "RoMAEForPrediction": RoMAEForPrediction,
}
