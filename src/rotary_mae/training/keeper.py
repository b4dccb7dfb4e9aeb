"""What keeps a run: its folder is opened or found again, and the state saved in it now and then."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from rotary_mae.data.tokens import Source
from rotary_mae.models.checkpoint import Pretrained, read_weights
from rotary_mae.training.averaging import WeightAverage
from rotary_mae.training.config import TrainingConfig
from rotary_mae.training.fingerprint import fingerprint
from rotary_mae.training.run_folder import RunFolder
from rotary_mae.training.state import Counters, load_state, random_state, save_state


class Keeper:
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
