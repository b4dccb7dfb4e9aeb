"""One run of training, update after update and epoch after epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from accelerate import Accelerator
from torch import Tensor

from rotary_mae.batches.batch import TokenBatch
from rotary_mae.batches.sampler import rank_share
from rotary_mae.evaluation.metrics import HIGHER_IS_BETTER
from rotary_mae.models.pretrained import Pretrained
from rotary_mae.training.checkpointing import Checkpointer
from rotary_mae.training.config import TrainingConfig
from rotary_mae.training.dataloader import BatchReader, load_batches
from rotary_mae.training.distributed import any_process
from rotary_mae.training.losses import loss_parts
from rotary_mae.training.lr_schedule import TrainingSchedule, validation_batches
from rotary_mae.training.optimizer import make_optimizer
from rotary_mae.training.progress import TrainingProgress
from rotary_mae.training.signals import GracefulShutdown
from rotary_mae.training.validation import validate
from rotary_mae.training.weight_averaging import WeightAverage

# Several processes agree on stopping and saving once in so many updates.
AGREE_EVERY = 16

# In the middle of an epoch the state is saved less often.
SAVE_SECONDS_WITHIN = 60.0


@dataclass(frozen=True)
class TrainingResult:
    """history: a line of metrics an epoch. best: of the monitored metric (None without validation), in best_epoch.

    steps: updates made. seconds: of training, over all resumptions.
    """

    history: list[dict[str, Any]] = field(repr=False)
    best: float | None
    best_epoch: int
    steps: int
    seconds: float


class Trainer:
    """One run of training: epochs of updates, each epoch with its end.

    loss: (sum, count) of this process over the epoch so far.
    """

    def __init__(
        self,
        model: Pretrained,
        reader: BatchReader,
        validation: BatchReader | None,
        config: TrainingConfig,
        accelerator: Accelerator,
        out: str | Path | None,
    ) -> None:
        self.model, self.config, self.accelerator = model, config, accelerator
        self.reader, self.validation = reader, validation
        self.course = TrainingSchedule(config, reader.source)
        if config.compile:
            model.compile()
        self.optimizer = make_optimizer(model, config)
        self.out = out
        self.average: WeightAverage | None = None
        self.best_weights: dict[str, Tensor] | None = None
        self.interruption = GracefulShutdown()

    def run(self, resume: bool, title: str) -> TrainingResult:
        """Train to the end, from the beginning or from where the run in the folder stopped."""
        # onto the device before the optimizer's state is put back beside the weights
        self.wrapped, self.stepper = self.accelerator.prepare(self.model, self.optimizer)
        if self.config.average > 0:
            self.average = WeightAverage(self.model, self.config.average * self.course.n_steps)
        self.keeper = Checkpointer(self.out, self.model, self.optimizer, self.config, self.accelerator, self.average)
        try:
            self._begin(resume)
            self._run_epochs(title)
        finally:
            # accelerate puts autocast around the model's own forward
            self.accelerator.unwrap_model(self.wrapped, keep_fp32_wrapper=False)
        if self.best_weights is not None:
            self.model.load_state_dict(self.best_weights)
        elif self.average is not None:
            self.average.put_in()
            self.keeper.save_best()
        self.model.eval()
        counters = self.counters
        return TrainingResult(self.keeper.history, counters.best, counters.best_epoch, counters.step, self._seconds)

    def _begin(self, resume: bool) -> None:
        self.counters = self.keeper.open(self.reader.source, resume)
        self.started = time.perf_counter() - self.counters.seconds
        so_far = [self.counters.loss_total, self.counters.loss_count]
        self.loss = torch.tensor(so_far, dtype=torch.float64, device=self.accelerator.device)
        if self.counters.best is not None and self.config.keep == "best":
            self.best_weights = self.keeper.best_weights()

    def _run_epochs(self, title: str) -> None:
        is_shown = self.config.progress and self.accelerator.is_main_process
        bar = TrainingProgress(title, self.course.n_epochs, self.course.n_steps, self.counters.step, is_shown)
        with self._tracking(), bar, self.interruption:
            while not self.counters.is_finished:
                self._train_epoch(bar)
                self._end_epoch(bar)

    @property
    def _seconds(self) -> float:
        return time.perf_counter() - self.started

    @contextmanager
    def _tracking(self) -> Iterator[None]:
        if self.config.trackers:
            described = {k: str(v) for k, v in self.config.to_dict().items()}
            self.accelerator.init_trackers("rotary-mae", config=described)
        try:
            yield
        finally:
            # not end_training: it ends the process group too, and a process may train again
            for tracker in self.accelerator.trackers:
                tracker.finish()

    # -- updates ----------------------------------------------------------------------------------------------

    def _train_epoch(self, bar: TrainingProgress) -> None:
        counters = self.counters
        updates = self.course.updates(counters.epoch)[counters.batch :]
        updates = updates[: self.course.n_steps - counters.step]
        items = self._shares([batch for update in updates for batch in update])
        batches = iter(load_batches(self.reader.at(counters.epoch), items, self.config.num_workers))
        self.wrapped.train()
        for update in updates:
            self._update([next(batches) for _ in update])
            counters.step += 1
            if self.average is not None:
                self.average.update(counters.step)
            counters.batch += 1
            bar.n_samples += sum(len(batch) for batch in update)
            if bar.is_due:
                bar.show(counters.step, counters.epoch, _mean(self.loss))
            if self._look_up():
                break

    def _shares(self, batches: list[npt.NDArray[np.int64]]) -> list[tuple[npt.NDArray[np.int64], bool]]:
        return [rank_share(b, self.accelerator.process_index, self.accelerator.num_processes) for b in batches]

    def _update(self, batches: list[TokenBatch]) -> None:
        """One update of the weights from the gradients of several batches, as if they were one."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.course.learning_rate(self.counters.step)
        count = torch.zeros((), device=self.accelerator.device)
        for i, batch in enumerate(batches):
            batch = batch.to(self.accelerator.device)
            with self._synced_only(is_last=i == len(batches) - 1), self.accelerator.autocast():
                parts = loss_parts(self.wrapped(batch), batch, self.config.label_smoothing)
                self.accelerator.backward(parts.total)
            count += parts.count.detach()
            self.loss += torch.stack((parts.total.detach(), parts.count.detach())).double()
        self._divide_gradients(self.accelerator.reduce(count, "sum"))
        if self.config.clip > 0:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.stepper.step()
        self.stepper.zero_grad(set_to_none=True)

    def _divide_gradients(self, count: Tensor) -> None:
        # the loss is a sum so far; processes average their gradients, so their number comes back here
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        torch._foreach_mul_(gradients, self.accelerator.num_processes / count.clamp(min=1e-12))

    @contextmanager
    def _synced_only(self, is_last: bool) -> Iterator[None]:
        if is_last:
            yield
        else:
            with self.accelerator.no_sync(self.wrapped):
                yield

    def _look_up(self) -> bool:
        """Between two updates: save if it is time to, stop if any process was asked to; whether the time is over."""
        if self.accelerator.num_processes > 1 and self.counters.step % AGREE_EVERY:
            return False
        is_asked = any_process(self.interruption.is_asked, self.accelerator)
        is_due = self.keeper.is_due(max(self.config.save_seconds, SAVE_SECONDS_WITHIN))
        if is_asked or any_process(is_due, self.accelerator):
            self._save()
        if is_asked:
            raise KeyboardInterrupt(f"training was interrupted at update {self.counters.step}{self.keeper.where}")
        return self._is_late()

    def _is_late(self) -> bool:
        limit = self.config.max_seconds
        return limit is not None and any_process(self._seconds >= limit, self.accelerator)

    # -- ends of epochs ---------------------------------------------------------------------------------------

    def _end_epoch(self, bar: TrainingProgress) -> None:
        counters, config, epoch = self.counters, self.config, self.counters.epoch
        self._require_finite()
        loss = _mean(self.accelerator.reduce(self.loss.clone(), "sum"))
        is_last = epoch + 1 >= self.course.n_epochs or self._is_late()
        results: dict[str, float] = {}
        if self.validation is not None and (self.course.evaluates(epoch) or is_last):
            results = self._evaluate(self.validation)
        self._log(loss, results, bar.rate)
        is_worn = bool(results) and 0 < config.patience <= counters.n_worse
        counters.epoch, counters.batch, counters.is_finished = epoch + 1, 0, is_last or is_worn
        self.loss.zero_()
        bar.show(counters.step, epoch, loss)
        bar.end_epoch(epoch, loss, results, config.monitor)
        is_asked = any_process(self.interruption.is_asked, self.accelerator)
        is_due = any_process(self.keeper.is_due(config.save_seconds), self.accelerator)
        if is_asked or is_due or counters.is_finished:
            self._save()
        if is_asked and not counters.is_finished:
            raise KeyboardInterrupt(f"training was interrupted after epoch {epoch + 1}{self.keeper.where}")

    def _evaluate(self, reader: BatchReader) -> dict[str, float]:
        """Metrics of the validation samples; the weights are noted if they are the best so far."""
        with nullcontext() if self.average is None else self.average.applied():
            return self._evaluate_weights(reader)

    def _evaluate_weights(self, reader: BatchReader) -> dict[str, float]:
        counters, monitor = self.counters, self.config.monitor
        items = self._shares(validation_batches(reader.source, self.config))
        with self.accelerator.autocast():
            results = validate(self.model, load_batches(reader, items, self.config.num_workers), self.accelerator)
        if monitor not in results:
            raise ValueError(f"monitor must be one of {sorted(results)}, got {monitor!r}")
        value = results[monitor]
        sign = -1.0 if monitor in HIGHER_IS_BETTER else 1.0
        # NaN, as R^2 of one sample is, is never the best
        if not math.isnan(value) and (counters.best is None or sign * value < sign * counters.best):
            counters.best, counters.best_epoch, counters.n_worse = value, counters.epoch + 1, 0
            if self.config.keep == "best":
                self.best_weights = {k: v.detach().cpu().clone() for k, v in self.model.state_dict().items()}
                self.keeper.save_best()
        else:
            counters.n_worse += 1
        return results

    def _log(self, loss: float, results: dict[str, float], samples_per_second: float) -> None:
        # of the last update; a run that goes on from here has not yet set it in the optimizer
        metrics = {"loss": loss, "learning_rate": self.course.learning_rate(self.counters.step - 1)}
        metrics |= {f"validation_{name}": value for name, value in results.items()}
        if self.config.trackers:
            self.accelerator.log(metrics, step=self.counters.step)
        about = {"epoch": self.counters.epoch + 1, "step": self.counters.step}
        speed = {"samples_per_second": round(samples_per_second, 2), "seconds": round(self._seconds, 3)}
        self.keeper.log({**about, **metrics, **speed})

    def _require_finite(self) -> None:
        weights = torch.stack([p.detach().sum() for p in self.model.parameters()])
        is_finite = bool(self.loss.isfinite().all()) and bool(weights.isfinite().all())
        if any_process(not is_finite, self.accelerator):
            raise FloatingPointError(
                f"the loss or a weight became infinite or NaN in epoch {self.counters.epoch + 1} (update "
                f"{self.counters.step}, mean loss {_mean(self.loss)}): lower learning_rate or clip harder; what was "
                "saved before is kept"
            )

    def _save(self) -> None:
        self._require_finite()
        self.counters.seconds = self._seconds
        self.keeper.save(self.counters, self.loss)


def _mean(loss: Tensor) -> float:
    total, count = loss.tolist()
    return total / count if count > 0 else 0.0
