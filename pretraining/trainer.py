"""Training loop: steps until the time is over, with a state that is saved now and then."""

from __future__ import annotations

import math
import signal
import time
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pretraining.bf16_products import bf16_products
from pretraining.optimizers import MuonAdamW
from pretraining.progress import ProgressDisplay
from pretraining.run_state import Counters, RunFolder, RunState
from pretraining.settings import Settings
from pretraining.stream import ChunkSource, stream
from rotary_mae.series_model.mixture import Mixture
from rotary_mae.series_model.model import SeriesModel
from rotary_mae.series_model.series_batch import SeriesBatch

BACKGROUND_WEIGHT, BACKGROUND_SCALE = 1e-3, 10.0
"""Weight, and scale in deviations, of a Cauchy distribution about the level that is added in the loss alone.

One value 1000 deviations away, as after two visible values that happen to be close, would else outweigh thousands of
others. Not tuned."""

LOG_STEPS = 100
"""Steps between two lines of the log."""


@dataclass(frozen=True)
class Limits:
    """End of one call of ``train``.

    Attributes
    ----------
    minutes : float
        Minutes of the clock.
    steps : int or None
        Number of steps of the whole run to stop at; None for no limit.
    save_seconds : float
        Seconds of the clock between two saved states.
    """

    minutes: float = 60.0
    steps: int | None = None
    save_seconds: float = 300.0


def robust_log_prob(mixture: Mixture, y: Tensor) -> Tensor:
    """Return the log density (M,) of scaled values under the mixtures with the background."""
    background = -(math.pi * BACKGROUND_SCALE * (1.0 + (y / BACKGROUND_SCALE).square())).log()
    inner = mixture.log_prob(y) + math.log1p(-BACKGROUND_WEIGHT)
    return torch.logaddexp(inner, background + math.log(BACKGROUND_WEIGHT))


def compute_loss(model: SeriesModel, batch: SeriesBatch) -> Tensor:
    """Return the mean negative log density of the targets, each weighted by 1 / sqrt(queries of its series)."""
    weight = torch.from_numpy(1.0 / np.sqrt(np.maximum(batch.query_lengths, 1))).to(batch.targets)
    weight = weight[batch.query_view_idx]
    nll = -robust_log_prob(model(batch).widened(batch.target_errors), batch.targets)
    return (nll * weight).sum() / weight.sum()


def new_state(settings: Settings, device: torch.device) -> RunState:
    """Return the state before the first step."""
    torch.manual_seed(settings.seed)
    model = SeriesModel(settings.model).to(device)
    average = {name: weight.detach().clone() for name, weight in model.state_dict().items()}
    return RunState(model, MuonAdamW(model, settings.weight_decay), average, Counters())


def train(folder: RunFolder, limits: Limits, *, device: str = "cpu", n_processes: int = 0) -> Counters:
    """Train until a limit or a signal, and save the state.

    Parameters
    ----------
    folder : RunFolder
        Folder of a run that was started; its state is resumed if there is one.
    limits : Limits
        End of this call.
    device : str
        Device of the model.
    n_processes : int
        Processes that draw series ahead.

    Returns
    -------
    Counters
        Progress at the end, as on disk.
    """
    settings = folder.settings()
    state = new_state(settings, torch.device(device))
    folder.load(state)
    state.counters.sessions += 1
    loop = _Loop(folder, settings, state, limits)
    source = ChunkSource(settings.seed, settings.chunk_size, settings.batch_size)
    with bf16_products(settings.bf16), _Interruption() as interruption, ProgressDisplay(limits.minutes) as display:
        if not loop.is_over:
            for views, place in stream(source, state.counters.place, n_processes):
                loss = loop.step(SeriesBatch.from_views(views).to(device))
                state.counters.place = place
                loop.after_step(loss)
                display.update(loop.elapsed, state.counters, loop.mean_loss, loop.series_per_second)
                if loop.is_over or interruption.is_requested:
                    break
        loop.save()
    return state.counters


class _Loop:
    """One call of ``train``: steps, log, saving and limits."""

    def __init__(self, folder: RunFolder, settings: Settings, state: RunState, limits: Limits) -> None:
        self.folder, self.settings, self.state, self.limits = folder, settings, state, limits
        self.started = self.saved = time.perf_counter()
        self.seconds_before, self.core_seconds_before = state.counters.seconds, state.counters.core_seconds
        self.core_started, self.series_before = time.process_time(), state.counters.series
        self.mean_loss = float("nan")

    def step(self, batch: SeriesBatch) -> float:
        """Update the weights and their average by a batch; return the loss."""
        state, counters = self.state, self.state.counters
        loss = compute_loss(state.model, batch)
        loss.backward()
        state.optimizer.step(self.settings.rate(counters.step))
        counters.step += 1
        counters.series += len(batch)
        weights = [weight.detach() for weight in state.model.state_dict().values()]
        torch._foreach_lerp_(list(state.average.values()), weights, self.settings.average_weight(counters.step))
        return loss.item()

    def after_step(self, loss: float) -> None:
        """Count, write a line of the log and save the state if they are due."""
        counters = self.state.counters
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss of step {counters.step} is {loss}; the state on disk is from before it")
        counters.loss_total += loss
        counters.loss_count += 1
        self.mean_loss = counters.loss_total / counters.loss_count
        self._count_time()
        if counters.step % LOG_STEPS == 0:
            self.folder.log(self._line())
            counters.n_lines += 1
            counters.loss_total, counters.loss_count = 0.0, 0
        if time.perf_counter() - self.saved >= self.limits.save_seconds:
            self.save()

    def save(self) -> None:
        """Save the state."""
        self._count_time()
        self.folder.save(self.state)
        self.saved = time.perf_counter()

    @property
    def elapsed(self) -> float:
        """Seconds of the clock since the call."""
        return time.perf_counter() - self.started

    @property
    def series_per_second(self) -> float:
        """Series per second of the clock since the call."""
        return (self.state.counters.series - self.series_before) / max(self.elapsed, 1e-9)

    @property
    def is_over(self) -> bool:
        """True at a limit of the call or at the end of the run."""
        step = self.state.counters.step
        ends = [end for end in (self.limits.steps, self.settings.last_step) if end is not None]
        return self.elapsed >= 60.0 * self.limits.minutes or any(step >= end for end in ends)

    def _count_time(self) -> None:
        self.state.counters.seconds = self.seconds_before + self.elapsed
        self.state.counters.core_seconds = self.core_seconds_before + time.process_time() - self.core_started

    def _line(self) -> dict[str, Any]:
        counters = self.state.counters
        return {
            "step": counters.step,
            "series": counters.series,
            "loss": round(self.mean_loss, 5),
            "rate": self.settings.rate(counters.step - 1),
            "core_minutes": round(counters.core_seconds / 60, 2),
            "minutes": round(counters.seconds / 60, 2),
        }


class _Interruption:
    """Context in which SIGINT and SIGTERM end training after the current step; a second signal ends it at once."""

    def __enter__(self) -> _Interruption:
        self.is_requested = False
        self.previous = {number: signal.signal(number, self._request) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def _request(self, number: int, frame: FrameType | None) -> None:
        if self.is_requested:
            raise KeyboardInterrupt("interrupted twice; the state on disk is the last saved one")
        self.is_requested = True
