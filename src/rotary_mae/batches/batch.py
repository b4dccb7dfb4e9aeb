"""TokenBatch: the input of models, and masking of its tokens."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rotary_mae.batches.masking import Masking, Strategy, draw_mask, seed_from
from rotary_mae.data.labels import is_missing
from rotary_mae.data.sample_values import per_sample
from rotary_mae.data.scaling import FIRST_POSITION
from rotary_mae.data.schema import Schema
from rotary_mae.data.tokens import TokenSet

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Visible and masked tokens of a batch.

    Attributes
    ----------
    visible_idx, hidden_idx : Tensor
        (T - M,) and (M,) indices of the visible and of the masked tokens, in token order, on the device of the batch.
    visible_lengths, hidden_lengths : array
        (B,) visible and masked tokens of each sample, on the CPU.
    """

    visible_idx: Tensor
    hidden_idx: Tensor
    visible_lengths: Ints
    hidden_lengths: Ints


@dataclass(frozen=True)
class TokenBatch:
    """B samples as T tokens end to end: the input of a model.

    Parameters
    ----------
    values : Tensor
        (T, V) float32.
    positions : Tensor
        (T, D) float32.
    lengths : Tensor
        (B,) tokens of each sample. Always on the CPU, where attention is planned.
    schema : Schema
        Meaning of the axes and of the values.
    targets : Tensor, optional
        (B,) classes, or (B,) or (B, k) numbers.
    weights : Tensor, optional
        (B,) weights of the samples in the loss.
    keys : Tensor, optional
        (B,) integers that identify the samples in random masks. Always on the CPU.
    is_hidden : Tensor, optional
        (T,) bool, True for masked tokens. Always on the CPU. None if no token is masked.
    token_targets : Tensor, optional
        (T, k) targets of tokens.
    token_idx : Tensor, optional
        (T,) index of each token in the batch before masking, where masking divided tokens. Always on the CPU. None if
        tokens are as before.
    """

    values: Tensor
    positions: Tensor
    lengths: Tensor
    schema: Schema
    targets: Tensor | None = None
    weights: Tensor | None = None
    keys: Tensor | None = None
    is_hidden: Tensor | None = None
    token_targets: Tensor | None = None
    token_idx: Tensor | None = None

    @classmethod
    def collate(
        cls,
        tokens: TokenSet,
        *,
        targets: Any = None,
        weights: Any = None,
        keys: npt.ArrayLike | None = None,
    ) -> TokenBatch:
        """Make a batch of all samples of a TokenSet. Values and positions are not changed.

        Parameters
        ----------
        tokens : TokenSet
            B samples.
        targets : array, optional
            (B,) or (B, k), a mapping or a Series keyed by id. Integers are classes, floats are regression targets.
            None: the targets of ``tokens`` if they are numbers.
        weights : array, optional
            (B,) weights of the samples in the loss. None: equal weights.
        keys : array, optional
            (B,) integers that identify the samples in random masks. None: 0 to B - 1.

        Returns
        -------
        TokenBatch
            On the CPU.

        Raises
        ------
        ValueError
            If there is no sample, or an array does not have one entry for each sample.
        """
        if len(tokens) == 0:
            raise ValueError("a batch needs at least one sample, got none")
        targets, weights = (_plain(tokens, *given) for given in (("targets", targets), ("weights", weights)))
        for name, given in (("targets", targets), ("weights", weights), ("keys", keys)):
            if given is not None and len(np.asarray(given)) != len(tokens):
                raise ValueError(f"{name} must have one entry per sample ({len(tokens)}), got {len(np.asarray(given))}")
        labels = tokens.targets if targets is None else np.asarray(targets)
        if targets is None and labels is not None and labels.dtype.kind not in "biuf":
            labels = None  # class names have to be encoded as integers first
        return cls(
            values=torch.from_numpy(tokens.values),
            positions=torch.from_numpy(tokens.positions.astype(np.float32)),
            lengths=torch.from_numpy(tokens.lengths),
            schema=tokens.schema,
            targets=None if labels is None else _target_tensor(labels),
            token_targets=None if tokens.token_targets is None else torch.from_numpy(tokens.token_targets),
            weights=None if weights is None else torch.from_numpy(np.asarray(weights, np.float32)),
            keys=torch.from_numpy(np.arange(len(tokens)) if keys is None else np.asarray(keys, np.int64)),
        )

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def device(self) -> torch.device:
        """Device of values and positions."""
        return self.values.device

    def to(self, device: torch.device | str) -> TokenBatch:
        """Return the batch with its tensors on another device.

        Parameters
        ----------
        device : torch.device or str
            Device of values, positions, targets and weights. Lengths, keys and ``is_hidden`` stay on the CPU.

        Returns
        -------
        TokenBatch
            The same samples.
        """
        on_device: dict[str, Any] = {
            name: _to_device(tensor, device)
            for name in ("values", "positions", "targets", "token_targets", "weights")
            if (tensor := getattr(self, name)) is not None
        }
        return replace(self, **on_device)

    @cached_property
    def sample_idx(self) -> Tensor:
        """(T,) sample of each token, on the device of the batch."""
        index = torch.repeat_interleave(torch.arange(len(self), device=self.lengths.device), self.lengths)
        return _to_device(index, self.device)

    @cached_property
    def split(self) -> Split:
        """Indices and numbers of the visible and of the masked tokens."""
        lengths = self.lengths.numpy()
        hidden = np.zeros(len(self.values), bool) if self.is_hidden is None else self.is_hidden.numpy()
        sample = np.repeat(np.arange(len(lengths)), lengths)
        n_hidden = np.bincount(sample[hidden], minlength=len(lengths))
        return Split(
            _to_device(torch.from_numpy(np.flatnonzero(~hidden)), self.device),
            _to_device(torch.from_numpy(np.flatnonzero(hidden)), self.device),
            lengths - n_hidden,
            n_hidden,
        )

    def hide(
        self,
        fraction: float | Masking | None = None,
        *,
        is_hidden: npt.ArrayLike | Tensor | None = None,
        strategy: Strategy = "uniform",
        generator: torch.Generator | np.random.Generator | None = None,
        seed: int | None = None,
        epoch: int = 0,
    ) -> TokenBatch:
        """Mask some tokens of every sample.

        A model does not use the values of masked tokens, and pre-training predicts them. ceil(fraction * n) of the n
        tokens of a sample are masked, but at least one stays visible. Static covariates are never masked and not
        counted.
        On axes whose origin is the first token of a sample (``schema.anchored``), positions are moved so that the
        origin is the first visible token, as in prediction.

        Parameters
        ----------
        fraction : float or Masking, optional
            Fraction of each sample to mask, in [0, 1], or complete settings, which include the strategy.
        is_hidden : array or Tensor, optional
            Used instead of ``fraction``: (T,) bool, True for masked tokens. Every sample needs a visible token.
        strategy : {"uniform", "block", "future", "channel", "times", "cells"}
            Tokens to mask; see ``Masking``.
        generator : torch.Generator or numpy.random.Generator, optional
            Source of the random mask. None: the global generator of torch.
        seed, epoch : int, optional
            Used instead of ``generator``. The mask of a sample then depends only on these numbers and on its key, not
            on the other samples of the batch.

        Returns
        -------
        TokenBatch
            The same tokens, with ``is_hidden``. A step of which "cells" masks some values is divided: a visible token
            without them, and a masked token of them alone at the end of the sample.

        Raises
        ------
        ValueError
            If arguments do not fit together, or ``is_hidden`` leaves a sample without a visible token.
        """
        if (fraction is None) == (is_hidden is None):
            raise ValueError(
                "hide takes either fraction= or is_hidden=, got " + ("neither" if fraction is None else "both")
            )
        if generator is not None and seed is not None:
            raise ValueError("hide takes either generator= or seed= and epoch=, got both")
        if is_hidden is None and fraction is not None:
            hiding = fraction if isinstance(fraction, Masking) else Masking(strategy, fraction)
            seed = seed_from(generator) if seed is None else seed
            if "cells" in hiding.strategies and self.schema.flags:
                divided = self._hide_cells(hiding, seed, epoch)
                return divided._anchor() if self.schema.anchored else divided
            drawn = self._draw(hiding, seed, epoch)
        else:
            drawn = np.asarray(is_hidden.cpu() if isinstance(is_hidden, Tensor) else is_hidden)
            self._check_hidden(drawn)
        hidden = replace(self, is_hidden=torch.from_numpy(drawn.copy()))
        return hidden._anchor() if self.schema.anchored else hidden

    def _draw(self, hiding: Masking, seed: int, epoch: int) -> npt.NDArray[np.bool_]:
        """Draw a mask (T,)."""
        positions = self.positions.cpu().numpy()
        axis = self.schema.channel_axis
        return draw_mask(
            hiding,
            self.lengths.numpy(),
            positions[:, self.schema.time_axis],
            None if axis is None else positions[:, axis],
            self._is_static(positions),
            np.arange(len(self)) if self.keys is None else self.keys.numpy(),
            seed,
            epoch,
        )

    def _hide_cells(self, hiding: Masking, seed: int, epoch: int) -> TokenBatch:
        """Mask single values of steps, each as if it was a token, and divide the steps of which a part is masked."""
        observed = self.schema.columns("observed")
        values, sample_idx = self.values.cpu(), self.sample_idx.cpu()
        is_observed: npt.NDArray[np.bool_] = (values[:, observed] > 0).numpy()
        token, column = np.nonzero(is_observed)
        sample = sample_idx.numpy()[token]
        is_masked = np.zeros(is_observed.shape, bool)
        is_masked[token, column] = draw_mask(
            hiding,
            np.bincount(sample, minlength=len(self)),
            self.positions[:, self.schema.time_axis].cpu().numpy()[token],
            column.astype(np.float64),
            None,
            np.arange(len(self)) if self.keys is None else self.keys.numpy(),
            seed,
            epoch,
        )
        is_visible = is_observed & ~is_masked
        has_masked, has_visible = np.any(is_masked, axis=1), np.any(is_visible, axis=1)
        is_hidden: npt.NDArray[np.bool_] = has_masked & ~has_visible
        added = np.flatnonzero(has_masked & has_visible)
        order = np.argsort(np.concatenate([sample_idx.numpy(), sample_idx.numpy()[added]]), kind="stable")
        token_idx = np.concatenate([np.arange(len(values)), added])[order]
        # masked tokens have their own values alone, visible ones the others
        is_kept = np.concatenate([np.where(is_hidden[:, None], is_masked, is_visible), is_masked[added]])[order]
        divided = values[torch.from_numpy(token_idx)]
        kept = torch.from_numpy(is_kept)
        divided[:, observed] = kept.to(divided.dtype)
        divided[:, : self.schema.n_predicted] *= kept
        index = torch.from_numpy(token_idx)
        return replace(
            self,
            values=_to_device(divided, self.device),
            positions=self.positions[index.to(self.device)],
            lengths=torch.from_numpy(np.bincount(sample_idx.numpy()[token_idx], minlength=len(self))),
            token_targets=None if self.token_targets is None else self.token_targets[index.to(self.device)],
            is_hidden=torch.from_numpy(np.concatenate([is_hidden, np.ones(len(added), bool)])[order]),
            token_idx=index,
        )

    def _is_static(self, positions: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_] | None:
        """Return True (T,) for static covariates, or None if there are none."""
        axis = self.schema.channel_axis
        if axis is None or not self.schema.statics:
            return None
        return positions[:, axis] >= len(self.schema.channels)

    def _check_hidden(self, is_hidden: npt.NDArray[Any]) -> None:
        if is_hidden.dtype != np.bool_ or is_hidden.shape != (len(self.values),):
            raise ValueError(
                f"is_hidden must be ({len(self.values)},) bool, True = masked, got {is_hidden.shape} {is_hidden.dtype}"
            )
        n_visible = np.add.reduceat(~is_hidden, np.cumsum(self.lengths.numpy()) - self.lengths.numpy(), dtype=np.int64)
        if (n_visible == 0).any():
            raise ValueError(
                f"sample {int(n_visible.argmin())} of the batch has no visible token; leave at least one visible"
            )

    def _anchor(self) -> TokenBatch:
        """Move the positions on anchored axes so that the origin is the first visible token of each sample."""
        positions = self.positions.cpu().numpy().copy()
        hidden = np.zeros(len(positions), bool) if self.is_hidden is None else self.is_hidden.numpy()
        static = self._is_static(positions)
        not_counted = hidden if static is None else hidden | static
        lengths = self.lengths.numpy()
        starts = np.cumsum(lengths) - lengths
        for axis in self.schema.anchored:
            first = np.minimum.reduceat(np.where(not_counted, np.inf, positions[:, axis]), starts)
            first = np.where(np.isfinite(first), first, FIRST_POSITION)
            positions[:, axis] += np.repeat(FIRST_POSITION - first, lengths).astype(np.float32)
            if static is not None:
                positions[static, axis] = FIRST_POSITION
        return replace(self, positions=_to_device(torch.from_numpy(positions), self.device))


def _to_device(tensor: Tensor, device: torch.device | str) -> Tensor:
    # a copy from memory that is not pinned would wait for all earlier work of the GPU
    is_upload = torch.device(device).type == "cuda" and tensor.device.type == "cpu"
    return (tensor.pin_memory() if is_upload else tensor).to(device, non_blocking=True)


def _plain(tokens: TokenSet, name: str, given: Any) -> Any:
    """Return targets or weights as an array in the order of the samples, which those of training are already."""
    if given is None or type(given) in (np.ndarray, list, tuple):
        return given
    array = per_sample(given, len(tokens), name, tokens.ids, max_ndim=2 if name == "targets" else 1)
    if (missing := is_missing(array)).any():
        raise ValueError(f"{name} has {int(missing.sum())} missing entries; leave those samples out")
    return np.array(array.tolist()) if array.dtype.kind == "O" else array


def _target_tensor(targets: npt.NDArray[Any]) -> Tensor:
    if targets.dtype.kind in "biu":
        return torch.from_numpy(targets.astype(np.int64))
    if targets.dtype.kind == "f":
        return torch.from_numpy(targets.astype(np.float32))
    raise ValueError(f"targets of a batch must be numbers, got {targets.dtype}; encode the classes as 0, 1, ...")
