"""Checkpoints of a training run: its complete state on disk. A resumed run gives bitwise the same result."""

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
from rotary_mae.models.pretrained import Pretrained, check_finite, read_weights
from rotary_mae.training.config import TrainingConfig
from rotary_mae.training.run_folder import RunFolder, fingerprint
from rotary_mae.training.seeding import random_state, set_random_state
from rotary_mae.training.weight_averaging import WeightAverage


@dataclass
class Counters:
    """Progress of a training run, stored in training.json of a checkpoint.

    Attributes
    ----------
    epoch, batch : int
        Index of the next epoch, and of the next update in it.
    step : int
        Number of updates so far.
    loss_total, loss_count : float
        Sum and count of the losses of the epoch so far, over all processes.
    best : float or None
        Best value of the monitored metric; None before the first evaluation.
    best_epoch : int
        Epoch (1, 2, ...) of the best value.
    n_worse : int
        Number of evaluations since the best one.
    seconds : float
        Seconds of training so far.
    n_lines : int
        Number of lines in the file of metrics.
    is_finished : bool
        True if the training is complete.
    extra : dict
        Not used; part of the file format.
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


class Checkpointer:
    """Saves and restores the state of a run in a folder: model, optimizer, averaged weights, random state, counters.

    Parameters
    ----------
    out : str, Path or None
        Folder of the run; None to write nothing.
    model : Pretrained
    optimizer : torch.optim.Optimizer
    config : TrainingConfig
    accelerator : Accelerator
    average : WeightAverage or None

    Attributes
    ----------
    history : list of dict
        Metrics of each epoch so far, in every process.
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

    def start_or_resume(self, source: Source, resume: bool) -> Counters:
        """Start a new run in the folder, or restore its last checkpoint if ``resume`` is true.

        Parameters
        ----------
        source : Source
            The training samples.
        resume : bool
            True to restore the last checkpoint, if there is one.

        Raises
        ------
        FileExistsError
            If the folder holds another run or other files.
        ValueError
            If the run in the folder has other settings or other data.
        """
        if self.folder is None:
            return Counters()
        about: dict[str, Any] = {
            "training": self.config.to_dict(),
            "model": {
                "class": type(self.model).__name__,
                **self.model.config.to_dict(),
                **self.model.arguments(),
            },
            "data": {"n_samples": len(source), "n_parameters": self.model.n_parameters()},
        }
        if self.accelerator.is_main_process:
            about["data"]["fingerprint"] = fingerprint(source)
            self.folder.check(about, resume)
        self.accelerator.wait_for_everyone()
        if resume and self.folder.last.exists():
            return self._resume(self.folder)
        if self.accelerator.is_main_process:
            self.folder.start(about)
        return Counters()

    def _resume(self, folder: RunFolder) -> Counters:
        counters = load_state(folder.last, self.model, self.optimizer, self.accelerator.process_index, self.average)
        self.history = folder.history()[: counters.n_lines]
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            folder.truncate_metrics(counters.n_lines)
        else:
            # the saved sum is over all processes, so only the main process continues it
            counters.loss_total = counters.loss_count = 0.0
        return counters

    def best_weights(self) -> dict[str, Tensor] | None:
        """Return the weights that ``save_best`` wrote, for a resumed run; None without a folder."""
        folder = self.folder
        return None if folder is None else check_finite(read_weights(folder.best), folder.best)

    def save_best(self) -> None:
        """Replace the best checkpoint by the current weights."""
        if self.folder is not None and self.accelerator.is_main_process:
            self.model.save_pretrained(self.folder.best)

    def log(self, line: dict[str, Any]) -> None:
        """Add the metrics of an epoch to ``history`` and to the file of metrics."""
        self.history.append(line)
        if self.folder is not None and self.accelerator.is_main_process:
            self.folder.log(line)

    def is_due(self, seconds: float) -> bool:
        """Return True if the last checkpoint was saved at least ``seconds`` seconds ago."""
        return self.folder is not None and time.perf_counter() - self.saved_at >= seconds

    def save(self, counters: Counters, loss: Tensor) -> None:
        """Save the state of all processes.

        Parameters
        ----------
        counters : Counters
            Progress of the run; its losses and number of lines are set here.
        loss : Tensor, shape (2,)
            Sum and count of the losses of this process in the epoch so far.
        """
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
    def resume_hint(self) -> str:
        """End of an error message that names the checkpoint; empty without a folder."""
        return "" if self.folder is None else f"; its state is in {self.folder.last}, continue with resume=True"


def save_state(
    folder: Path,
    model: Pretrained,
    optimizer: torch.optim.Optimizer,
    counters: Counters,
    random_states: list[Tensor],
    average: WeightAverage | None = None,
) -> None:
    """Replace ``folder`` by the complete state of a run. If this fails, ``folder`` is unchanged.

    Parameters
    ----------
    folder : Path
        Folder of the checkpoint.
    model, optimizer, counters, average
        State to save.
    random_states : list of Tensor
        Random state of every process.
    """
    with replacing_folder(folder) as partial:
        model.write_files(partial)
        tensors = _optimizer_tensors(model, optimizer)
        tensors |= {f"random.{rank}": state for rank, state in enumerate(random_states)}
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
    """Restore the state that ``save_state`` wrote, with the random state of the process ``rank``.

    Returns
    -------
    Counters
        Progress of the run.

    Raises
    ------
    ValueError
        If the folder holds no training state, or that of a run with fewer processes.
    """
    recover(folder)
    if not (folder / "training.json").exists():
        raise ValueError(
            f"{folder} holds no training state to resume from (no training.json); start a new run in another folder"
        )
    model.load_state_dict(check_finite(read_weights(folder), folder))
    tensors = load_file(folder / "training.safetensors")
    names = {p: name for name, p in model.named_parameters()}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            prefix = f"optimizer.{names[parameter]}."
            state = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            # fused AdamW needs its step count on the device of the parameter
            optimizer.state[parameter] = {k: v.to(parameter.device) for k, v in state.items()}
    if average is not None:
        average.load({k.removeprefix("average."): v for k, v in tensors.items() if k.startswith("average.")})
    if (key := f"random.{rank}") not in tensors:
        raise ValueError(f"{folder} was written by fewer processes; resume with the same number of processes")
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
