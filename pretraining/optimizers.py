"""Muon for the matrices of the transformer layers, AdamW for all other parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

ADAM_BETAS = (0.9, 0.98)
"""Decay rates of AdamW's moments. Not tuned."""

NEWTON_SCHULZ_STEPS = 4
"""Iterations of Muon's orthogonalisation. Not tuned."""

MAX_GRADIENT_NORM = 1.0
"""Gradients of a step are scaled down to at most this norm. Not tuned."""


class MuonAdamW:
    """Two optimizers that update all parameters of a model.

    Muon (Jordan et al. 2024) orthogonalises the momentum of each matrix of the layers. Its rate is scaled to the size
    of AdamW's updates, so that one rate serves both.

    Parameters
    ----------
    model : nn.Module
        Model to train; parameters whose name contains ``.blocks.`` are those of layers.
    weight_decay : float
        Decoupled weight decay of both.
    """

    def __init__(self, model: nn.Module, weight_decay: float) -> None:
        self.names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
        matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and ".blocks." in name]
        others = [p for name, p in model.named_parameters() if not (p.ndim == 2 and ".blocks." in name)]
        self.optimizers: tuple[torch.optim.Optimizer, ...] = (
            _muon(matrices, weight_decay),
            torch.optim.AdamW(others, lr=0.0, betas=ADAM_BETAS, weight_decay=weight_decay),
        )

    def step(self, rate: float) -> None:
        """Update the parameters from their gradients, and remove the gradients."""
        torch.nn.utils.clip_grad_norm_(list(self.names), MAX_GRADIENT_NORM)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def tensors(self) -> dict[str, Tensor]:
        """Return the state as tensors by parameter and quantity, such as ``head.norm.exp_avg``."""
        return {f"{self.names[parameter]}.{key}": value for parameter, key, value in self._entries()}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Restore the state that ``tensors`` returned."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    prefix = f"{self.names[parameter]}."
                    found = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
                    # a step count stays on the CPU, where AdamW expects it
                    optimizer.state[parameter] = {k: v if k == "step" else v.to(parameter) for k, v in found.items()}

    def _entries(self) -> Iterator[tuple[Tensor, str, Tensor]]:
        for optimizer in self.optimizers:
            for parameter, state in optimizer.state.items():
                for key, value in state.items():
                    yield parameter, key, value


def _muon(matrices: Sequence[nn.Parameter], weight_decay: float) -> torch.optim.Optimizer:
    if not hasattr(torch.optim, "Muon"):
        raise ImportError(f"training needs torch.optim.Muon, of torch 2.9 or later; this is torch {torch.__version__}")
    optimizer: torch.optim.Optimizer = torch.optim.Muon(
        matrices,
        lr=0.0,
        weight_decay=weight_decay,
        adjust_lr_fn="match_rms_adamw",
        ns_steps=NEWTON_SCHULZ_STEPS,
    )
    return optimizer
