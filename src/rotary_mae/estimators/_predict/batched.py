"""Predictions of fitted models for many samples, in batches of similar length, put back in the order of the samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rotary_mae._torch_state import standard_torch
from rotary_mae._warnings import warn_caller
from rotary_mae.batches.batch import TokenBatch
from rotary_mae.data.indexing import budget_slices, token_indices
from rotary_mae.data.scaling import Scaling
from rotary_mae.data.sources import Source
from rotary_mae.data.tokens import TokenSet
from rotary_mae.estimators._predict.distribution import mixture_moments
from rotary_mae.estimators._predict.finite import describe_not_finite, is_finite
from rotary_mae.evaluation.conformal import Calibration
from rotary_mae.evaluation.conformal_scores import Predictor
from rotary_mae.models.pretrained import Pretrained
from rotary_mae.training.distributed import check_device
from rotary_mae.training.progress import progress_bar
from rotary_mae.training.validation import evaluation_mode

Array = npt.NDArray[Any]

Ints = npt.NDArray[np.int64]

MAX_TOKENS = 16_384
"""Largest number of tokens in a batch of several samples; not tuned."""

SAMPLES_PER_SORT = 4_096
"""Samples of a source that are sorted by length together, so that a large source is read nearly in its order; not
tuned."""


@dataclass(frozen=True)
class TrainedModels:
    """The fitted models of an estimator, with the values that prediction needs.

    Attributes
    ----------
    models : sequence of Pretrained
        The members of the ensemble; a single one for most estimators.
    scaling : Scaling
        Fitted scaling of values and positions.
    device : str
        "auto", "cpu", "cuda" or "cuda:N".
    verbose : bool
        True shows a progress bar on a terminal.
    calibration : Calibration or None
        Fitted calibration of the predictive distributions; None for models that only reconstruct.
    """

    models: Sequence[Pretrained]
    scaling: Scaling
    device: str = "auto"
    verbose: bool = False
    calibration: Calibration | None = None

    @property
    def is_normalized(self) -> bool:
        """True if the models predict patches that were brought to mean 0 and standard deviation 1 each."""
        return bool(self.models[0].config.normalize_targets)

    @contextmanager
    def predictor(self) -> Iterator[Predictor]:
        """Provide the function that predicts the masked tokens of a batch, with the models in evaluation mode.

        Yields
        ------
        Predictor
            Takes a TokenBatch and returns the mean (M, n_predicted) and the standard deviation (M, n_predicted) of its
            masked tokens in scaled units, on the CPU. For an ensemble they are those of the mixture of the members'
            normal distributions. The standard deviation is None if the models predict none.
        """
        device = pick_device(self.device)

        def predict(batch: TokenBatch) -> tuple[Tensor, Tensor | None]:
            outputs = [model(batch.to(device)) for model in self.models]
            means = [output.prediction.float().cpu() for output in outputs]
            stds = [output.std.float().cpu() for output in outputs if output.std is not None]
            if len(outputs) == 1:
                return means[0], stds[0] if stds else None
            if not stds:
                return torch.stack(means).mean(0), None
            mean, std = mixture_moments(torch.stack(means).double().numpy(), torch.stack(stds).double().numpy())
            return torch.from_numpy(mean), torch.from_numpy(std)

        with ExitStack() as stack:
            stack.enter_context(standard_torch())
            for model in self.models:
                model.to(device)
                stack.enter_context(evaluation_mode(model))
            yield predict


def pick_device(device: str) -> torch.device:
    """Return the torch device of a name; "auto" is a GPU if there is one. Raise ValueError if it is not available."""
    check_device(device)
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device)


def length_sorted_batches(
    source: Source, scaling: Scaling | None = None, *, title: str = "predict", show_progress: bool = False
) -> Iterator[tuple[Ints, TokenBatch]]:
    """Yield all samples in batches of similar length, with at most ``MAX_TOKENS`` tokens or a single sample each.

    Parameters
    ----------
    source : Source
        B samples. Only the samples of the current batch are in memory, if the lengths are known beforehand.
    scaling : Scaling, optional
        Scaling to apply, which sorts ``SAMPLES_PER_SORT`` samples at a time. Without it the samples are scaled already
        and sorted as a whole.
    title : str
        Text beside the progress bar.
    show_progress : bool
        True shows a bar on a terminal.

    Yields
    ------
    indices : array of shape (b,)
        Samples of the batch. They are also its keys, so that a random mask of a sample does not depend on its batch.
    batch : TokenBatch
        The scaled samples, without targets and with no token masked.
    """
    lengths, n_sorted = source.lengths, max(len(source), 1) if scaling is None else SAMPLES_PER_SORT
    # selecting samples of a large TokenSet takes time in proportion to all of them, so it is cut into windows first
    reads_window = lengths is None or (scaling is not None and isinstance(source, TokenSet))
    with progress_bar(title, len(source), show_progress) as advance:
        for first in range(0, len(source), n_sorted):
            window = np.arange(first, min(first + n_sorted, len(source)))
            samples = source[window] if reads_window else None
            sizes = np.asarray(lengths)[window] if samples is None else samples.lengths
            order = np.argsort(sizes, kind="stable")
            for part in budget_slices(sizes[order], MAX_TOKENS):
                indices = window[order[part]]
                tokens = source[indices] if samples is None else samples[order[part]]
                scaled = tokens if scaling is None else scaling.apply(tokens)
                yield indices, TokenBatch.collate(scaled.with_targets(None), keys=indices)
                advance(len(indices))


def in_order(pieces: Iterable[tuple[Ints, Array]], n_rows: int) -> Array:
    """Return rows that were computed in another order as one array.

    Parameters
    ----------
    pieces : iterable of (indices, rows)
        Indices (b,) and the rows (b, ...) that belong there; together they cover 0 to ``n_rows`` - 1.
    n_rows : int
        Number of rows in all.

    Returns
    -------
    array of shape (n_rows, ...)
        The rows in order.

    Raises
    ------
    ValueError
        If there are no pieces.
    """
    ordered: Array | None = None
    for indices, rows in pieces:
        if ordered is None:
            ordered = np.empty((n_rows, *rows.shape[1:]), rows.dtype)
        ordered[indices] = rows
    if ordered is None:
        raise ValueError("there are no samples to predict for; give at least one")
    return ordered


def predict_batched(
    model: Pretrained,
    source: Source,
    scaling: Scaling,
    forward: Callable[[TokenBatch], Tensor],
    device: str = "auto",
    show_progress: bool = False,
) -> Array:
    """Return one prediction a sample, (B, ...), of a model that sees all tokens.

    Parameters
    ----------
    model : Pretrained
        The model that ``forward`` calls; it is moved to the device and put in evaluation mode.
    source : Source
        B samples in the user's units.
    scaling : Scaling
        Scaling that the model was fitted with.
    forward : callable
        Returns a tensor (b, ...) for a TokenBatch of b samples.
    device : str
        "auto", "cpu", "cuda" or "cuda:N".
    show_progress : bool
        True shows a bar on a terminal.

    Raises
    ------
    ValueError
        If there are no samples, the device is not available, or a prediction is not finite.
    """
    torch_device = pick_device(device)
    with standard_torch(), evaluation_mode(model.to(torch_device)):
        batches = length_sorted_batches(source, scaling, show_progress=show_progress)
        pieces = ((indices, forward(batch.to(torch_device)).float().cpu().numpy()) for indices, batch in batches)
        rows = in_order(pieces, len(source))
    if not (finite := is_finite(rows)).all():
        raise ValueError(describe_not_finite([model], source, scaling, np.flatnonzero(~finite)))
    return rows


def predict_masked(
    trained: TrainedModels,
    scaled: TokenSet,
    is_masked: npt.NDArray[np.bool_],
    *,
    title: str = "predict",
    show_progress: bool = False,
) -> tuple[Array, Array | None]:
    """Predict masked tokens from the visible ones of their samples; NaN, with a warning, if that is not finite.

    Parameters
    ----------
    trained : TrainedModels
        Autoencoders.
    scaled : TokenSet
        T tokens in scaled units.
    is_masked : array of bool, shape (T,)
        True for the tokens to predict; their values are not used.
    title, show_progress
        See ``length_sorted_batches``.

    Returns
    -------
    mean : array of float64, shape (M, n_predicted)
        Predictions for the masked tokens, in the order of the tokens, in scaled units.
    std : array of float64, shape (M, n_predicted), or None
        Their standard deviations; None if the models predict none.
    """
    n_masked, n_predicted = int(is_masked.sum()), scaled.schema.n_predicted
    if not n_masked:
        return np.zeros((0, n_predicted)), None
    rank, starts = np.cumsum(is_masked) - 1, scaled.starts

    def pieces(predict: Predictor) -> Iterator[tuple[Ints, Array]]:
        for indices, batch in length_sorted_batches(scaled, title=title, show_progress=show_progress):
            tokens = token_indices(starts[indices], scaled.lengths[indices])
            masked = is_masked[tokens]
            if masked.any():
                mean, std = predict(batch.hide(is_hidden=masked))
                columns = [mean.numpy()] if std is None else [mean.numpy(), std.numpy()]
                yield rank[tokens[masked]], np.concatenate(columns, axis=1)

    with trained.predictor() as predict:
        rows = in_order(pieces(predict), n_masked).astype(np.float64)
    if not (finite := is_finite(rows)).all():
        samples = np.unique(scaled.sample_idx[is_masked][~finite])
        warn_caller(describe_not_finite(trained.models, scaled, None, samples))
        rows[~finite] = np.nan
    return rows[:, :n_predicted], rows[:, n_predicted:] if rows.shape[1] > n_predicted else None
