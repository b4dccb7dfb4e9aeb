"""What a person sees of a long training: a bar with loss, rate and time left, or a line now and then in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

N_LOG_LINES = 10


@contextmanager
def progress_bar(title: str, n_samples: int, is_shown: bool) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal while samples are answered for; call what it gives with the number just done."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn(), TextColumn("samples, left"))
    is_disabled = not (is_shown and console.is_terminal)
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=is_disabled) as bar:
        task = bar.add_task(title, total=n_samples)
        yield lambda n_done: bar.advance(task, n_done)


class TrainingProgress:
    """A bar on a terminal; about ten lines in all where there is none. Shows nothing if not ``is_shown``."""

    def __init__(self, title: str, n_epochs: int, n_steps: int, step: int, is_shown: bool) -> None:
        self.console = Console(stderr=True)
        self.is_shown, self.title, self.n_epochs = is_shown, title, n_epochs
        self.has_bar = is_shown and self.console.is_terminal
        self.n_samples, self.started, self.shown_at = 0, time.perf_counter(), 0.0
        self.validation = ""
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("epoch {task.fields[epoch]}/{task.fields[n_epochs]}"),
            TextColumn("loss {task.fields[loss]:.4f}{task.fields[validation]}"),
            TextColumn("{task.fields[rate]:.0f} samples/s"),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.has_bar,
        )
        self.task = self.bar.add_task(
            title,
            total=n_steps,
            completed=step,
            epoch=0,
            n_epochs=n_epochs,
            loss=float("nan"),
            validation="",
            rate=0.0,
        )

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    @property
    def is_due(self) -> bool:
        """Whether the bar is shown and old enough to be drawn again; reading a loss may wait for a device."""
        return self.has_bar and time.perf_counter() - self.shown_at > 0.2

    @property
    def rate(self) -> float:
        """Samples a second since the start."""
        return self.n_samples / max(time.perf_counter() - self.started, 1e-9)

    def show(self, step: int, epoch: int, loss: float) -> None:
        """Draw the bar."""
        self.shown_at = time.perf_counter()
        self.bar.update(
            self.task, completed=step, epoch=epoch + 1, loss=loss, validation=self.validation, rate=self.rate
        )

    def end_epoch(self, epoch: int, loss: float, validation: dict[str, float], monitor: str) -> None:
        """Note the results of an epoch (0, 1, ...)."""
        if validation:
            self.validation = f", validation {monitor} {validation[monitor]:.4f}"
        every = max(1, self.n_epochs // N_LOG_LINES)
        if self.is_shown and not self.has_bar and ((epoch + 1) % every == 0 or epoch == 0):
            print(
                f"{self.title}: epoch {epoch + 1}/{self.n_epochs}, loss {loss:.4f}{self.validation}, "
                f"{self.rate:.0f} samples/s",
                file=self.console.file,
                flush=True,
            )
