"""TokenBatch: what a model eats, and hiding some of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rotary_mae.batches.masking import Masking, Strategy, draw_mask, seed_from
from rotary_mae.data.scaling import FIRST_POSITION
from rotary_mae.data.schema import Schema
from rotary_mae.data.tokens import TokenSet

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Visible and hidden tokens of a batch: flat indices on the batch's device, lengths on the CPU.

    visible_idx, hidden_idx: (T - M,) and (M,) in token order. visible_lengths, hidden_lengths: (B,).
    """

    visible_idx: Tensor
    hidden_idx: Tensor
    visible_lengths: Ints
    hidden_lengths: Ints


@dataclass(frozen=True)
class TokenBatch:
    """B samples as T tokens laid end to end.

    Args:
        values: (T, V).
        positions: (T, D) float32.
        lengths: (B,) on the CPU, whatever the device of the rest: layouts are planned there.
        schema: what the columns mean.
        targets: (B,) or (B, k), or None.
        weights: (B,) of the samples in the loss, or None.
        keys: (B,) numbers that name the samples in random draws.
        is_hidden: (T,) bool on the CPU, True = hidden; or None where nothing is hidden.
        token_targets: (T, k), or None.
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

    @classmethod
    def collate(
        cls,
        tokens: TokenSet,
        *,
        targets: npt.ArrayLike | None = None,
        weights: npt.ArrayLike | None = None,
        keys: npt.ArrayLike | None = None,
    ) -> TokenBatch:
        """A batch of all samples of ``tokens``, values and positions as they are.

        targets: (B,) whole numbers are classes, others are regressed; the tokens' own if None and numbers.
        weights: (B,) of the samples in the loss; all alike if None. keys: (B,) whole numbers that name the samples
        in random draws; 0..B-1 if None.
        """
        if len(tokens) == 0:
            raise ValueError("a batch needs at least one sample, got none")
        for name, given in (("targets", targets), ("weights", weights), ("keys", keys)):
            if given is not None and len(np.asarray(given)) != len(tokens):
                raise ValueError(f"{name} must be one a sample ({len(tokens)}), got {len(np.asarray(given))}")
        labels = tokens.targets if targets is None else np.asarray(targets)
        if targets is None and labels is not None and labels.dtype.kind not in "biuf":
            labels = None  # names of classes are the business of whoever encodes them
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
        """Where values and positions live."""
        return self.values.device

    def to(self, device: torch.device | str) -> TokenBatch:
        """The same batch with its tensors on another device; lengths, keys and is_hidden stay on the CPU."""
        moved: dict[str, Any] = {
            name: _moved(tensor, device)
            for name in ("values", "positions", "targets", "token_targets", "weights")
            if (tensor := getattr(self, name)) is not None
        }
        return replace(self, **moved)

    @cached_property
    def sample_idx(self) -> Tensor:
        """(T,) the sample of each token."""
        index = torch.repeat_interleave(torch.arange(len(self)), self.lengths)
        return _moved(index, self.device)

    @cached_property
    def split(self) -> Split:
        """Visible and hidden tokens; everything is visible if nothing was hidden."""
        lengths = self.lengths.numpy()
        hidden = np.zeros(len(self.values), bool) if self.is_hidden is None else self.is_hidden.numpy()
        sample = np.repeat(np.arange(len(lengths)), lengths)
        n_hidden = np.bincount(sample[hidden], minlength=len(lengths))
        return Split(
            _moved(torch.from_numpy(np.flatnonzero(~hidden)), self.device),
            _moved(torch.from_numpy(np.flatnonzero(hidden)), self.device),
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
        """The batch with some tokens hidden: ceil(fraction * n) of each sample's n, at least one stays visible.

        Args:
            fraction: share of each sample to hide, in [0, 1]; or a ``Masking``, which says the strategy too.
            is_hidden: instead of ``fraction``, (T,) bool, True = hidden; no sample may be hidden whole.
            strategy: see ``Masking``; "channel" and "times" hide whole channels or times.
            generator: where the draw comes from; or ``seed`` and ``epoch``, which with each sample's key fix its
                draw, whatever else is in the batch.

        Static covariates stay visible and are not counted. On axes whose positions are counted from the first
        token (``schema.anchored``) they are counted again from the first visible one, as in prediction.
        """
        if (fraction is None) == (is_hidden is None):
            raise ValueError("hide needs either fraction= or is_hidden=")
        if generator is not None and seed is not None:
            raise ValueError("hide draws from generator= or from seed= and epoch=, got both")
        if is_hidden is None and fraction is not None:
            hiding = fraction if isinstance(fraction, Masking) else Masking(strategy, fraction)
            drawn = self._draw(hiding, seed_from(generator) if seed is None else seed, epoch)
        else:
            drawn = np.asarray(is_hidden.cpu() if isinstance(is_hidden, Tensor) else is_hidden)
            self._check_hidden(drawn)
        hidden = replace(self, is_hidden=torch.from_numpy(drawn.copy()))
        return hidden._anchor() if self.schema.anchored else hidden

    def _draw(self, hiding: Masking, seed: int, epoch: int) -> npt.NDArray[np.bool_]:
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

    def _is_static(self, positions: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_] | None:
        axis = self.schema.channel_axis
        if axis is None or not self.schema.statics:
            return None
        return positions[:, axis] >= len(self.schema.channels)

    def _check_hidden(self, is_hidden: npt.NDArray[Any]) -> None:
        if is_hidden.dtype != np.bool_ or is_hidden.shape != (len(self.values),):
            raise ValueError(
                f"is_hidden must be ({len(self.values)},) bool, True = hidden, got {is_hidden.shape} {is_hidden.dtype}"
            )
        n_visible = np.add.reduceat(~is_hidden, np.cumsum(self.lengths.numpy()) - self.lengths.numpy(), dtype=np.int64)
        if (n_visible == 0).any():
            raise ValueError(f"sample {int(n_visible.argmin())} of the batch has no visible token; leave one at least")

    def _anchor(self) -> TokenBatch:
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
        return replace(self, positions=_moved(torch.from_numpy(positions), self.device))


def _moved(tensor: Tensor, device: torch.device | str) -> Tensor:
    # from memory that is not pinned a GPU copies only after all that it was told before
    is_upload = torch.device(device).type == "cuda" and tensor.device.type == "cpu"
    return (tensor.pin_memory() if is_upload else tensor).to(device, non_blocking=True)


def _target_tensor(targets: npt.NDArray[Any]) -> Tensor:
    if targets.dtype.kind in "biu":
        return torch.from_numpy(targets.astype(np.int64))
    if targets.dtype.kind == "f":
        return torch.from_numpy(targets.astype(np.float32))
    raise ValueError(f"targets of a batch must be numbers, got {targets.dtype}; encode the classes as 0, 1, ...")
