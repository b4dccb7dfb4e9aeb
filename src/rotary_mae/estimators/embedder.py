"""RoMAEEmbedder: pre-train without labels, embed with what was learned."""

from __future__ import annotations

from typing import Any, Self, cast

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import TransformerMixin
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import check_is_fitted

from rotary_mae.batches.batch import TokenBatch
from rotary_mae.batches.masking import Masking
from rotary_mae.estimators._fit.defaults import PRETRAIN, mean_length, model_config
from rotary_mae.estimators._fit.initialization import scaling_for, seeded_model
from rotary_mae.estimators._fit.split import split_validation
from rotary_mae.estimators._predict.batched import predict_batched
from rotary_mae.estimators._predict.masked import masked_summary
from rotary_mae.estimators._predict.patch_reconstruction import Reconstruction, reconstruct
from rotary_mae.estimators.estimator import RoMAEEstimator, restore_on_failure
from rotary_mae.models.autoencoder import RoMAEForPreTraining


class RoMAEEmbedder(TransformerMixin, RoMAEEstimator):
    """Pre-trains a masked autoencoder; ``transform`` gives each sample as a vector.

    Parameters are those of all estimators (see ``RoMAEEstimator``). Fitted: ``model_``, ``training_``,
    ``summary_``.
    """

    @restore_on_failure
    def fit(self, X: Any, y: Any = None, *, groups: Any = None) -> Self:
        """Pre-train on samples; ``y`` is not looked at. ``groups`` (B,) keeps groups on one side of validation."""
        source, initial = self._to_fit(X)
        seed = self._seed
        scaling = scaling_for(source, initial, self.unit)
        config = model_config(self, scaling, initial, mean_length(source))
        model = seeded_model(seed, lambda: RoMAEForPreTraining(config))
        self._start_from(initial, model)
        parts = split_validation(len(source), self.validation_fraction, seed, groups=groups)
        self._train(model, source, parts, scaling, PRETRAIN, seed)
        self._finish(masked_summary(self.trained_models, source, parts.validation, self.hiding_of_training))
        return self

    def transform(self, X: Any) -> Any:
        """(n, width) the mean of each sample's encoded tokens.

        With ``set_output(transform="pandas")`` a frame whose index are the samples' ids.
        """
        source = self._source(X)
        model = cast(RoMAEForPreTraining, self.model_)

        def pool(batch: TokenBatch) -> torch.Tensor:
            return model.encoder(batch).mean_of_tokens

        embedded = predict_batched(model, source, self.scaling_, pool, self.device, bool(self.verbose))
        if _get_output_config("transform", self)["dense"] != "pandas":
            return embedded
        # else scikit-learn takes the index of X, which has a row an observation, not one a sample
        import pandas as pd

        return pd.DataFrame(embedded, index=source.ids)

    def reconstruct(self, X: Any, fraction: float | None = None, seed: int = 0) -> Reconstruction:
        """Hide patches of images or sound and fill them in; ``pictures()`` of the answer shows them.

        fraction: share of the patches to hide, in [0, 1); None: as in training. seed: which they are. The mean and
        deviation of a hidden patch, which normalised targets leave open, are those of the true one.
        """
        source = self._source(X)
        hiding = self.hiding_of_training if fraction is None else Masking(fraction=fraction)
        return reconstruct(self.trained_models, source[np.arange(len(source))], hiding, seed)

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[Any]:
        """(width,) names e0, e1, ... of what ``transform`` gives; ``input_features`` are not looked at."""
        check_is_fitted(self)
        return np.array([f"e{k}" for k in range(self.model_.config.width)], dtype=object)
