"""The state of a training run on disk: tensors in safetensors, the rest in JSON; never a pickle."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from rotary_mae.models.checkpoint import Pretrained, read_weights, recover, replacing
from rotary_mae.training.averaging import WeightAverage


@dataclass
class Counters:
    """Where a run stands.

    epoch, batch: the next one to be done. step: updates done. loss_total, loss_count: of the epoch so far.
    best: of the monitored metric. n_worse: evaluations since. seconds: spent so far. n_lines: of metrics written.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    loss_total: float = 0.0
    loss_count: float = 0.0
    best: float | None = None
    best_epoch: int = 0
    n_worse: int = 0
    seconds: float = 0.0
    n_lines: int = 0
    is_finished: bool = False
    extra: dict[str, Any] = field(default_factory=dict)


def save_state(
    folder: Path,
    model: Pretrained,
    optimizer: torch.optim.Optimizer,
    counters: Counters,
    rank_states: list[Tensor],
    average: WeightAverage | None = None,
) -> None:
    """Replace ``folder`` by the model and everything needed to go on from here; whole or not at all.

    rank_states: the random state of every process.
    """
    with replacing(folder) as partial:
        model._write(partial)
        tensors = _optimizer_tensors(model, optimizer)
        tensors |= {f"random.{rank}": state for rank, state in enumerate(rank_states)}
        if average is not None:
            tensors |= {f"average.{name}": weight.cpu().contiguous() for name, weight in average.weights.items()}
        save_file(tensors, partial / "training.safetensors")
        (partial / "training.json").write_text(json.dumps(asdict(counters), indent=1))


def load_state(
    folder: Path,
    model: Pretrained,
    optimizer: torch.optim.Optimizer,
    rank: int,
    average: WeightAverage | None = None,
) -> Counters:
    """Put model, optimizer, mean weights and this process's random state back to what ``save_state`` wrote."""
    recover(folder)
    if not (folder / "training.json").exists():
        raise ValueError(f"{folder} holds no training state to resume from (no training.json)")
    model.load_state_dict(read_weights(folder))
    tensors = load_file(folder / "training.safetensors")
    names = {p: name for name, p in model.named_parameters()}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            prefix = f"optimizer.{names[parameter]}."
            state = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            # AdamW wants its step count where it was made, on the CPU unless fused on a GPU
            optimizer.state[parameter] = {k: v.to(parameter.device) for k, v in state.items()}
    if average is not None:
        average.load({k.removeprefix("average."): v for k, v in tensors.items() if k.startswith("average.")})
    if (key := f"random.{rank}") not in tensors:
        raise ValueError(f"{folder} was written by fewer processes: resume with as many as it was trained with")
    set_random_state(tensors[key])
    return Counters(**json.loads((folder / "training.json").read_text()))


def random_state() -> Tensor:
    """Torch's random state of this process (CPU, and the current GPU if there is one), as bytes."""
    parts = [torch.get_rng_state()]
    if torch.cuda.is_available():
        parts.append(torch.cuda.get_rng_state())
    return torch.cat(parts)


def set_random_state(state: Tensor) -> None:
    """Put back what ``random_state`` gave."""
    n_cpu = len(torch.get_rng_state())
    torch.set_rng_state(state[:n_cpu])
    if torch.cuda.is_available() and len(state) > n_cpu:
        torch.cuda.set_rng_state(state[n_cpu:])


def _optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    names: dict[Tensor, str] = {p: name for name, p in model.named_parameters()}
    return {
        f"optimizer.{names[parameter]}.{key}": torch.as_tensor(value).detach().cpu().contiguous()
        for parameter, state in optimizer.state.items()
        for key, value in state.items()
        if value is not None
    }
