"""Progress of training: a bar on a terminal, a line a minute in a log."""

from __future__ import annotations

import time
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from pretraining.run_state import Counters

LINE_SECONDS = 60.0
"""Seconds between two lines in a log."""

REDRAW_SECONDS = 0.5
"""Seconds between two drawings of the bar."""


class ProgressDisplay:
    """Loss, speed and cost of a run in progress, on standard error.

    Parameters
    ----------
    minutes : float
        Minutes of the clock that this call will take.
    """

    def __init__(self, minutes: float) -> None:
        self.console = Console(stderr=True)
        self.shown = 0.0
        self.bar = Progress(
            TextColumn("step {task.fields[step]}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[text]}, left"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.task = self.bar.add_task("", total=60.0 * minutes, step=0, text="")

    def __enter__(self) -> Self:
        self.bar.start()
        self.shown = time.perf_counter()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def update(self, seconds: float, counters: Counters, loss: float, speed: float) -> None:
        """Show the progress if it is due.

        Parameters
        ----------
        seconds : float
            Seconds since the call.
        counters : Counters
            Progress of the run.
        loss : float
            Mean loss since the last line of the log.
        speed : float
            Series per second.
        """
        every = REDRAW_SECONDS if self.console.is_terminal else LINE_SECONDS
        if time.perf_counter() - self.shown < every:
            return
        self.shown = time.perf_counter()
        text = f"loss {loss:.4f}, {speed:.0f} series/s, {counters.core_seconds / 3600:.2f} core-hours"
        self.bar.update(self.task, completed=seconds, step=counters.step, text=text)
        if not self.console.is_terminal:
            print(f"step {counters.step}, {counters.series} series: {text}", file=self.console.file, flush=True)
