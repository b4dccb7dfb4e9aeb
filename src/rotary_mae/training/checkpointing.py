"""What keeps a run: its folder is opened or found again, and the state saved in it now and then."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from rotary_mae._atomic import recover, replacing_folder
from rotary_mae.data.sources import Source
from rotary_mae.models.pretrained import Pretrained, read_weights
from rotary_mae.training.config import TrainingConfig
from rotary_mae.training.run_folder import RunFolder, fingerprint
from rotary_mae.training.seeding import random_state, set_random_state
from rotary_mae.training.weight_averaging import WeightAverage


class Checkpointer:
    """Keeps model, optimizer, mean weights and counters of a run in the folder ``out``; nothing is kept if it is None.

    history: the lines of metrics so far, in every process.
    """

    def __init__(
        self,
        out: str | Path | None,
        model: Pretrained,
        optimizer: torch.optim.Optimizer,
        config: TrainingConfig,
        accelerator: Accelerator,
        average: WeightAverage | None = None,
    ) -> None:
        self.folder = None if out is None else RunFolder(out)
        self.model, self.optimizer, self.config, self.accelerator = model, optimizer, config, accelerator
        self.average = average
        self.history: list[dict[str, Any]] = []
        self.saved_at = time.perf_counter()

    def open(self, tokens: Source, resume: bool) -> Counters:
        """Begin a new run in the folder, or put everything back to where the one in it stopped."""
        if self.folder is None:
            return Counters()
        about: dict[str, Any] = {
            "training": self.config.to_dict(),
            "model": {
                "class": type(self.model).__name__,
                **self.model.config.to_dict(),
                **self.model._arguments(),
            },
            "data": {"n_samples": len(tokens), "n_parameters": self.model.n_parameters()},
        }
        if self.accelerator.is_main_process:
            about["data"]["fingerprint"] = fingerprint(tokens)
            self.folder.prepare(about, resume)
        self.accelerator.wait_for_everyone()
        if resume and self.folder.last.exists():
            return self._go_on()
        if self.accelerator.is_main_process:
            self.folder.begin(about)
        return Counters()

    def _go_on(self) -> Counters:
        assert self.folder is not None
        counters = load_state(
            self.folder.last, self.model, self.optimizer, self.accelerator.process_index, self.average
        )
        self.history = self.folder.history()[: counters.n_lines]
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            self.folder.keep_lines(counters.n_lines)
        else:
            # of all processes together, so one alone takes it up again
            counters.loss_total = counters.loss_count = 0.0
        return counters

    def best_weights(self) -> dict[str, Tensor] | None:
        """What ``save_best`` wrote, for a run that goes on."""
        return None if self.folder is None else read_weights(self.folder.best)

    def save_best(self) -> None:
        """Replace the best checkpoint by the model as it is."""
        if self.folder is not None and self.accelerator.is_main_process:
            self.model.save_pretrained(self.folder.best)

    def log(self, line: dict[str, Any]) -> None:
        """Add a line of metrics."""
        self.history.append(line)
        if self.folder is not None and self.accelerator.is_main_process:
            self.folder.log(line)

    def is_due(self, seconds: float) -> bool:
        """Whether so many seconds have gone by since the state was saved."""
        return self.folder is not None and time.perf_counter() - self.saved_at >= seconds

    def save(self, counters: Counters, loss: Tensor) -> None:
        """Save the state of all processes; ``loss`` is this process's (sum, count) of the epoch so far."""
        if self.folder is None:
            return
        counters.loss_total, counters.loss_count = self.accelerator.reduce(loss.clone(), "sum").tolist()
        counters.n_lines = len(self.history)
        states = [random_state()]
        if (n_processes := self.accelerator.num_processes) > 1:
            gathered = self.accelerator.gather(states[0].to(self.accelerator.device)).cpu()
            states = list(gathered.chunk(n_processes))
        if self.accelerator.is_main_process:
            save_state(self.folder.last, self.model, self.optimizer, counters, states, self.average)
        self.accelerator.wait_for_everyone()
        self.saved_at = time.perf_counter()

    @property
    def where(self) -> str:
        """Where to go on, for a message."""
        return "" if self.folder is None else f"; its state is in {self.folder.last}, go on with resume"


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
    with replacing_folder(folder) as partial:
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


def _optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    names: dict[Tensor, str] = {p: name for name, p in model.named_parameters()}
    return {
        f"optimizer.{names[parameter]}.{key}": torch.as_tensor(value).detach().cpu().contiguous()
        for parameter, state in optimizer.state.items()
        for key, value in state.items()
        if value is not None
    }
