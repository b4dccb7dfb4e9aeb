"""RoMAEEmbedder: pre-training without labels, and embeddings of samples."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import TransformerMixin
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import check_is_fitted

from rotary_mae.batches.batch import TokenBatch
from rotary_mae.batches.masking import Masking
from rotary_mae.data.sources import Subset
from rotary_mae.estimators._fit.defaults import PRETRAIN, mean_length
from rotary_mae.estimators._fit.initialization import scaling_for
from rotary_mae.estimators._fit.restore import restore_on_failure
from rotary_mae.estimators._fit.split import split_validation
from rotary_mae.estimators._predict.batched import predict_batched
from rotary_mae.estimators._predict.masked import masked_summary, reconstruction_metrics
from rotary_mae.estimators._predict.patch_reconstruction import Reconstruction, reconstruct
from rotary_mae.estimators.estimator import RoMAEEstimator
from rotary_mae.estimators.labels import groups_for
from rotary_mae.models.autoencoder import RoMAEForPreTraining


class RoMAEEmbedder(TransformerMixin, RoMAEEstimator):
    """Masked autoencoder that is pre-trained without labels and embeds each sample as a vector.

    Parameters
    ----------
    columns : mapping, optional
        Names of the columns of data frames: arguments of ``from_frame``, such as ``dict(id="object_id", time="mjd")``.
    layout : {"auto", "measurements", "steps"}, default="auto"
        Layout of the tokens that are made from frames and arrays (see ``from_frame``). Later data have the layout of
        the fit.
    unit : float or "auto", default="auto"
        Distance in time, in the unit of the data, that becomes 1 in the model. "auto" takes the typical distance
        between measurements.
    validation_fraction : float, default=0.1
        Fraction of the samples in the validation set, in [0, 1). Below 20 samples there is none. From 100 validation
        samples on, it selects the epoch whose weights are taken; else the averaged last weights are taken.
    init : estimator, path, model, or None, default=None
        Source of the initial weights: a fitted estimator, a run folder, a repository of the Hugging Face Hub
        ("owner/name"), or a model. None makes a new model with random weights.
    size : {"tiny-shallow", "tiny", "small", "base", "large"}, optional
        Size of a new model; an error if ``init`` has another size. Default: "tiny" on a GPU, "tiny-shallow" on a CPU.
    context : int, optional
        Neighbours on each side, in the same channel, that a token is projected with (see ``RoMAEConfig``); 0 is the
        model of the paper. Default: that of ``init``; else 4 for series (8 if channel series have 128 measurements or
        more), and 0 for patches.
    dropout : float, optional
        Dropout of attention scores and of the MLP, in [0, 1). Default: that of ``init``, else 0.
    model : mapping, optional
        Further fields of ``RoMAEConfig`` by name; ``decoder`` may be a ``DecoderConfig``. By default samples are pooled
        by the mean of their tokens; ``{"pooling": "cls"}`` takes the CLS token.
    epochs : int, optional
        Epochs of training. Default: chosen from number and length of the samples, so that on two CPU cores a few
        hundred series take minutes, and 50 000 series of 100 tokens less than an hour.
    learning_rate : float, optional
        Peak learning rate. Default: chosen from the width of the model, and lower with ``init``.
    batch_size : int, optional
        Samples in a batch. Default: chosen from number and length of the samples.
    early_stopping : bool, default=True
        Stop if the validation loss has not improved for many evaluations. It needs 100 validation samples.
    max_minutes : float, optional
        Time limit of ``fit`` in minutes. The speed is measured first, and the schedule is shortened if necessary. Two
        fits with a limit may therefore differ in the number of updates and in their weights; a resumed run keeps the
        number.
    training : mapping, optional
        Further fields of ``TrainingConfig`` by name; ``hiding`` may be a ``Masking`` and ``augmentation`` an
        ``Augmentation``. By default weights are averaged.
    precision : {"fp32", "bf16"}, default="fp32"
        Precision of training; "bf16" is faster on GPUs that support it.
    compile : bool, default=False
        Compile the token-wise parts of the model before training.
    device : str, default="auto"
        "cpu", "cuda", "cuda:N", or "auto" for a GPU if there is one.
    random_state : int, RandomState, or None, default=None
        Seed of everything random. With an int, fits on a CPU are equal to the bit.
    verbose : int, default=0
        1 shows a progress bar with loss, learning rate and remaining time, and prints the summary at the end.
    out : path, optional
        Folder for metrics, checkpoints and the fitted estimator.
    resume : bool, default=False
        Resume the run in ``out``. On a CPU the result is as if it had not been stopped.

    Attributes
    ----------
    model_ : RoMAEForPreTraining
        The trained model.
    models_ : list of RoMAEForPreTraining
        The trained model alone.
    scaling_ : Scaling
        Scaling of values and positions that was fitted to the data.
    training_ : TrainingResult
        Metrics by epoch, number of updates and seconds of the training. Not saved.
    transfer_ : TransferReport or None
        Weights that were copied from ``init``; None without ``init``. Not saved.
    validation_idx_ : array of int, shape (n_validation,)
        Indices of the validation samples among the samples of ``fit``. Not saved.
    summary_ : FitSummary
        Scores on the validation set; see ``compare_with_baselines``.
    profile_ : DataProfile or None
        Typical units, time steps and channels of the samples of ``fit``. Data to predict that differ cause a
        ``DataShiftWarning``.

    Notes
    -----
    All methods take samples as a TokenSet or another Source, a data frame (with ``columns``), an array
    (n, channels, times) or (n, times) with NaN for values that were not observed, or a list of arrays
    (channels, times).

    Examples
    --------
    >>> import rotary_mae as rm
    >>> tokens = rm.simulate_light_curves(40)
    >>> embedder = rm.RoMAEEmbedder(size="tiny-shallow", epochs=1, random_state=0).fit(tokens)
    >>> embedder.transform(tokens).shape
    (40, 180)
    """

    model_: RoMAEForPreTraining
    models_: list[RoMAEForPreTraining]

    def __init__(
        self,
        *,
        # data
        columns: Mapping[str, Any] | None = None,
        layout: Literal["auto", "measurements", "steps"] = "auto",
        unit: float | Literal["auto"] = "auto",
        validation_fraction: float = 0.1,
        # model
        init: Any = None,
        size: str | None = None,
        context: int | None = None,
        dropout: float | None = None,
        model: Mapping[str, Any] | None = None,
        # training
        epochs: int | None = None,
        learning_rate: float | None = None,
        batch_size: int | None = None,
        early_stopping: bool = True,
        max_minutes: float | None = None,
        training: Mapping[str, Any] | None = None,
        # runtime
        precision: Literal["fp32", "bf16"] = "fp32",
        compile: bool = False,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        out: str | Path | None = None,
        resume: bool = False,
    ) -> None:
        self.columns = columns
        self.layout = layout
        self.unit = unit
        self.validation_fraction = validation_fraction
        self.init = init
        self.size = size
        self.context = context
        self.dropout = dropout
        self.model = model
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.max_minutes = max_minutes
        self.training = training
        self.precision = precision
        self.compile = compile
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.out = out
        self.resume = resume

    @restore_on_failure
    def fit(self, X: Any, y: Any = None, *, groups: Any = None) -> Self:
        """Pre-train on samples.

        Parameters
        ----------
        X : TokenSet, Source, data frame, array, or list of arrays
            B samples.
        y : object, optional
            Ignored; scikit-learn passes it.
        groups : array, shape (B,), mapping or Series, optional
            Groups of samples that the validation split does not divide; in the order of the samples, or keyed by id.

        Returns
        -------
        RoMAEEmbedder
            The estimator itself.

        Raises
        ------
        ValueError
            If the samples or the parameters are not valid, or do not fit ``init``.
        FileExistsError
            If ``out`` holds another run.
        KeyboardInterrupt
            If training was interrupted. The estimator is then as before, and ``out`` can be resumed.
        """
        source, initial = self._start_fit(X)
        groups = groups_for(source, X, groups)
        seed = self._draw_seed()
        split = split_validation(len(source), self.validation_fraction, seed, groups=groups)
        training = Subset(source, split.training)
        scaling = scaling_for(training, initial, self.unit)
        config = self._model_config(scaling, initial, mean_length(training))
        model = self._new_model(lambda: RoMAEForPreTraining(config), seed, initial)
        self._train(model, source, split, scaling, PRETRAIN, seed, initial=initial)
        self._finish(masked_summary(self.trained_models, source, split.validation, self.hiding_of_training))
        return self

    def transform(self, X: Any) -> Any:
        """Embed samples: the mean of their encoded tokens.

        Parameters
        ----------
        X : TokenSet, Source, data frame, array, or list of arrays
            B samples, as in ``fit``.

        Returns
        -------
        array of float32, shape (B, W), or DataFrame
            Embeddings. After ``set_output(transform="pandas")`` a frame whose index are the ids of the samples.
        """
        source = self._source(X)
        model = self.model_

        def pool(batch: TokenBatch) -> torch.Tensor:
            return model.encoder(batch).mean_of_tokens

        embedded = predict_batched(model, source, self.scaling_, pool, self.device, bool(self.verbose))
        if _get_output_config("transform", self)["dense"] != "pandas":
            return embedded
        # scikit-learn would take the index of X, which has one row a measurement, not one a sample
        import pandas as pd

        return pd.DataFrame(embedded, index=source.ids)

    def score(self, X: Any, y: Any = None) -> float:
        """Return the fraction of the variance of masked values that their reconstruction explains.

        Parameters
        ----------
        X : TokenSet, Source, data frame, array, or list of arrays
            B samples, as in ``fit``. They are masked as in training, in the same way at each call.
        y : object, optional
            Ignored; scikit-learn passes it.

        Returns
        -------
        float
            1 - mse / mse of the mean of the channel, on the masked values in scaled units. 1 is perfect, 0 is as good
            as the mean; higher is better.
        """
        source = self._source(X)
        metrics = reconstruction_metrics(self.trained_models, source, self.hiding_of_training)
        return 1.0 - metrics["mse"] / metrics["mse_mean"]

    def reconstruct(self, X: Any, fraction: float | None = None, seed: int = 0) -> Reconstruction:
        """Mask patches of images or audio, and reconstruct them.

        Parameters
        ----------
        X : TokenSet, Source, or array
            B samples in patches, as in ``fit``.
        fraction : float, optional
            Fraction of the patches to mask, in [0, 1). Default: masking as in training.
        seed : int, default=0
            Seed of the masks.

        Returns
        -------
        Reconstruction
            Original and reconstructed samples; its method ``pictures`` returns them as arrays to show. A model with
            normalised targets predicts neither mean nor standard deviation of a patch, so those of the true patch are
            used.
        """
        source = self._source(X)
        hiding = self.hiding_of_training if fraction is None else Masking(fraction=fraction)
        return reconstruct(self.trained_models, source[np.arange(len(source))], hiding, seed)

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[Any]:
        """Return the names of the columns of ``transform``.

        Parameters
        ----------
        input_features : object, optional
            Ignored; scikit-learn passes it.

        Returns
        -------
        array of str, shape (W,)
            e0, e1, ...
        """
        check_is_fitted(self)
        return np.array([f"e{k}" for k in range(self.model_.config.width)], dtype=object)
