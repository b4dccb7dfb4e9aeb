"""Progress of long work: a bar on a terminal, or a line now and then in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

N_LOG_LINES = 10
"""Approximate number of lines that a training writes into a log."""

REDRAW_SECONDS = 0.2
"""Least time between two drawings of the bar: to draw it, the loss is read, which waits for the device."""


@contextmanager
def progress_bar(title: str, n_samples: int, is_shown: bool) -> Iterator[Callable[[int], None]]:
    """Show a bar over samples on a terminal.

    Parameters
    ----------
    title : str
        Text beside the bar.
    n_samples : int
        Number of samples in all.
    is_shown : bool
        False to show nothing.

    Yields
    ------
    callable
        To be called with the number of samples that were just done.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn(), TextColumn("samples, left"))
    is_disabled = not (is_shown and console.is_terminal)
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=is_disabled) as bar:
        task = bar.add_task(title, total=n_samples)
        yield lambda n_done: bar.advance(task, n_done)


class TrainingProgress:
    """Progress of a training: a bar with loss, speed and time left on a terminal, else about ten lines in all.

    Parameters
    ----------
    title : str
        Text beside the bar.
    n_epochs, n_steps : int
        Number of epochs and of updates of the training.
    step : int
        Number of updates done before, by the run that is resumed.
    is_shown : bool
        False to show nothing.

    Attributes
    ----------
    n_samples : int
        Number of samples trained on since the start; counted by the trainer.
    """

    def __init__(self, title: str, n_epochs: int, n_steps: int, step: int, is_shown: bool) -> None:
        self.console = Console(stderr=True)
        self.is_shown, self.title, self.n_epochs = is_shown, title, n_epochs
        self.has_bar = is_shown and self.console.is_terminal
        self.n_samples, self.started_at, self.drawn_at = 0, time.perf_counter(), 0.0
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
        """True if there is a bar and it was not drawn for ``REDRAW_SECONDS``."""
        return self.has_bar and time.perf_counter() - self.drawn_at > REDRAW_SECONDS

    @property
    def samples_per_second(self) -> float:
        """Speed since the start."""
        return self.n_samples / max(time.perf_counter() - self.started_at, 1e-9)

    def draw(self, step: int, epoch: int, loss: float) -> None:
        """Draw the bar after ``step`` updates, in an epoch (0, 1, ...) with this mean loss so far."""
        self.drawn_at = time.perf_counter()
        self.bar.update(
            self.task,
            completed=step,
            epoch=epoch + 1,
            loss=loss,
            validation=self.validation,
            rate=self.samples_per_second,
        )

    def end_epoch(self, epoch: int, loss: float, metrics: dict[str, float], monitor: str) -> None:
        """Show the results of an epoch (0, 1, ...); ``metrics`` are of the validation set, empty without evaluation."""
        if metrics:
            self.validation = f", validation {monitor} {metrics[monitor]:.4f}"
        every = max(1, self.n_epochs // N_LOG_LINES)
        if self.is_shown and not self.has_bar and ((epoch + 1) % every == 0 or epoch == 0):
            print(
                f"{self.title}: epoch {epoch + 1}/{self.n_epochs}, loss {loss:.4f}{self.validation}, "
                f"{self.samples_per_second:.0f} samples/s",
                file=self.console.file,
                flush=True,
            )
