"""Loop of a training run: updates of the weights, and evaluation and checkpoints between them."""

from __future__ import annotations

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
from rotary_mae.evaluation.metrics import is_better
from rotary_mae.models.pretrained import Pretrained
from rotary_mae.training.checkpointing import Checkpointer
from rotary_mae.training.config import TrainingConfig
from rotary_mae.training.dataloader import BatchReader, load_batches
from rotary_mae.training.distributed import any_process
from rotary_mae.training.divergence import likely_cause
from rotary_mae.training.losses import compute_loss
from rotary_mae.training.lr_schedule import TrainingSchedule, validation_batches
from rotary_mae.training.optimizer import make_optimizer
from rotary_mae.training.progress import TrainingProgress
from rotary_mae.training.signals import GracefulShutdown
from rotary_mae.training.validation import validate
from rotary_mae.training.weight_averaging import WeightAverage

SYNC_EVERY = 16
"""Several processes decide together whether to stop or save, once in this many updates: the exchange takes time. Not
tuned."""

SAVE_SECONDS_WITHIN_EPOCH = 60.0
"""Minimum number of seconds between two checkpoints within an epoch. Not tuned."""


@dataclass(frozen=True)
class TrainingResult:
    """Result of a training run.

    Attributes
    ----------
    history : list of dict
        Metrics of each epoch: epoch, step, loss, learning_rate, samples_per_second, seconds, and with an evaluation
        ``validation_loss`` and further metrics ``validation_...``
    best : float or None
        Best value of the monitored validation metric; None without validation.
    best_epoch : int
        Epoch (1, 2, ...) of the best value; 0 without validation.
    steps : int
        Number of updates of the weights.
    seconds : float
        Seconds of training, including the time before the run was resumed.
    """

    history: list[dict[str, Any]] = field(repr=False)
    best: float | None
    best_epoch: int
    steps: int
    seconds: float


class Trainer:
    """One training run.

    Parameters
    ----------
    model : Pretrained
        Model to train in place.
    reader : BatchReader
        Reader of the training samples.
    validation : BatchReader or None
        Reader of the validation samples.
    config : TrainingConfig
    accelerator : Accelerator
    out : str, Path or None
        Folder of the run.

    Attributes
    ----------
    counters : Counters
        Progress of the run.
    loss : Tensor, shape (2,)
        Sum and count of the losses of this process in the epoch so far.
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
        self.schedule = TrainingSchedule(config, reader.source)
        if config.compile:
            model.compile()
        self.optimizer = make_optimizer(model, config)
        self.out = out
        self.average: WeightAverage | None = None
        self.best_weights: dict[str, Tensor] | None = None
        self.shutdown = GracefulShutdown()

    def run(self, resume: bool, title: str) -> TrainingResult:
        """Train to the end, from the start or from the state in the folder.

        Parameters
        ----------
        resume : bool
            True to continue the run in the folder, if there is one.
        title : str
            Text in front of the progress bar.
        """
        # before the state is restored: this moves the model to the device, where the state of the optimizer must be
        self.prepared_model, self.prepared_optimizer = self.accelerator.prepare(self.model, self.optimizer)
        if self.config.average > 0:
            self.average = WeightAverage(self.model, self.config.average * self.schedule.n_steps)
        self.checkpointer = Checkpointer(
            self.out, self.model, self.optimizer, self.config, self.accelerator, self.average
        )
        try:
            self._start(resume)
            self._run_epochs(title)
        finally:
            # removes the autocast that accelerate added to the forward method of the model
            self.accelerator.unwrap_model(self.prepared_model, keep_fp32_wrapper=False)
        if self.best_weights is not None:
            self.model.load_state_dict(self.best_weights)
        elif self.average is not None:
            self.average.apply()
            self.checkpointer.save_best()
        self.model.eval()
        counters = self.counters
        return TrainingResult(
            self.checkpointer.history, counters.best, counters.best_epoch, counters.step, self._seconds
        )

    def _start(self, resume: bool) -> None:
        self.counters = self.checkpointer.start_or_resume(self.reader.source, resume)
        self.started_at = time.perf_counter() - self.counters.seconds
        loss = [self.counters.loss_total, self.counters.loss_count]
        self.loss = torch.tensor(loss, dtype=torch.float64, device=self.accelerator.device)
        if self.counters.best is not None and self.config.keep == "best":
            self.best_weights = self.checkpointer.best_weights()

    def _run_epochs(self, title: str) -> None:
        is_shown = self.config.progress and self.accelerator.is_main_process
        n_epochs, n_steps = self.schedule.n_epochs, self.schedule.n_steps
        progress = TrainingProgress(title, n_epochs, n_steps, self.counters.step, is_shown)
        with self._tracking(), progress, self.shutdown:
            while not self.counters.is_finished:
                self._train_epoch(progress)
                self._end_epoch(progress)

    @property
    def _seconds(self) -> float:
        return time.perf_counter() - self.started_at

    @contextmanager
    def _tracking(self) -> Iterator[None]:
        if self.config.trackers:
            settings = {name: str(value) for name, value in self.config.to_dict().items()}
            self.accelerator.init_trackers("rotary-mae", config=settings)
        try:
            yield
        finally:
            # not end_training, which also ends the process group: the process may start another training
            for tracker in self.accelerator.trackers:
                tracker.finish()

    # -- updates ----------------------------------------------------------------------------------------------

    def _train_epoch(self, progress: TrainingProgress) -> None:
        counters = self.counters
        updates = self.schedule.updates(counters.epoch)[counters.batch :]
        updates = updates[: self.schedule.n_steps - counters.step]
        items = self._shares([batch for update in updates for batch in update])
        batches = iter(load_batches(self.reader.at_epoch(counters.epoch), items, self.config.num_workers))
        self.prepared_model.train()
        for update in updates:
            self._update([next(batches) for _ in update])
            counters.step += 1
            if self.average is not None:
                self.average.update(counters.step)
            counters.batch += 1
            progress.n_samples += sum(len(batch) for batch in update)
            if progress.is_due:
                progress.draw(counters.step, counters.epoch, _mean(self.loss))
            self._save_or_stop_within_epoch()
            if self._is_time_over_within_epoch():
                break

    def _shares(self, batches: list[npt.NDArray[np.int64]]) -> list[tuple[npt.NDArray[np.int64], bool]]:
        return [rank_share(b, self.accelerator.process_index, self.accelerator.num_processes) for b in batches]

    def _update(self, batches: list[TokenBatch]) -> None:
        """Update the weights once, with the gradients of several batches accumulated."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule.learning_rate(self.counters.step)
        count = torch.zeros((), device=self.accelerator.device)
        for i, batch in enumerate(batches):
            batch = batch.to(self.accelerator.device)
            with self._synchronized_if(i == len(batches) - 1), self.accelerator.autocast():
                loss = compute_loss(self.prepared_model(batch), batch, self.config.label_smoothing)
                self.accelerator.backward(loss.total)
            count += loss.count.detach()
            self.loss += torch.stack((loss.total.detach(), loss.count.detach())).double()
        self._divide_gradients(self.accelerator.reduce(count, "sum"))
        if self.config.clip > 0:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.prepared_optimizer.step()
        self.prepared_optimizer.zero_grad(set_to_none=True)

    def _divide_gradients(self, count: Tensor) -> None:
        # the loss is a sum over targets, and gradients are averaged over processes; the factor turns them into those of
        # the mean over the targets of all processes
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        torch._foreach_mul_(gradients, self.accelerator.num_processes / count.clamp(min=1e-12))

    @contextmanager
    def _synchronized_if(self, is_last: bool) -> Iterator[None]:
        """Exchange gradients between processes only in the last batch of an update."""
        if is_last:
            yield
        else:
            with self.accelerator.no_sync(self.prepared_model):
                yield

    @property
    def _is_sync_due(self) -> bool:
        return self.accelerator.num_processes == 1 or self.counters.step % SYNC_EVERY == 0

    def _save_or_stop_within_epoch(self) -> None:
        """Save the state if a checkpoint is due, and raise KeyboardInterrupt if any process got a signal to stop."""
        if not self._is_sync_due:
            return
        is_stopping = any_process(self.shutdown.is_requested, self.accelerator)
        is_due = self.checkpointer.is_due(max(self.config.save_seconds, SAVE_SECONDS_WITHIN_EPOCH))
        if is_stopping or any_process(is_due, self.accelerator):
            self._save()
        if is_stopping:
            raise KeyboardInterrupt(
                f"training was interrupted at update {self.counters.step}{self.checkpointer.resume_hint}"
            )

    def _is_time_over_within_epoch(self) -> bool:
        return self._is_sync_due and self._is_time_over()

    def _is_time_over(self) -> bool:
        limit = self.config.max_seconds
        return limit is not None and any_process(self._seconds >= limit, self.accelerator)

    # -- end of an epoch --------------------------------------------------------------------------------------

    def _end_epoch(self, progress: TrainingProgress) -> None:
        counters, config, epoch = self.counters, self.config, self.counters.epoch
        self._require_finite()
        loss = _mean(self.accelerator.reduce(self.loss.clone(), "sum"))
        is_last = epoch + 1 >= self.schedule.n_epochs or self._is_time_over()
        metrics: dict[str, float] = {}
        if self.validation is not None and (self.schedule.evaluates(epoch) or is_last):
            metrics = self._evaluate(self.validation)
        self._log(loss, metrics, progress.samples_per_second)
        is_patience_over = bool(metrics) and 0 < config.patience <= counters.n_worse
        counters.epoch, counters.batch, counters.is_finished = epoch + 1, 0, is_last or is_patience_over
        self.loss.zero_()
        progress.draw(counters.step, epoch, loss)
        progress.end_epoch(epoch, loss, metrics, config.monitor)
        is_stopping = any_process(self.shutdown.is_requested, self.accelerator)
        is_due = any_process(self.checkpointer.is_due(config.save_seconds), self.accelerator)
        if is_stopping or is_due or counters.is_finished:
            self._save()
        if is_stopping and not counters.is_finished:
            raise KeyboardInterrupt(f"training was interrupted after epoch {epoch + 1}{self.checkpointer.resume_hint}")

    def _evaluate(self, reader: BatchReader) -> dict[str, float]:
        """Return the metrics of the validation set, and store the weights if they are the best so far."""
        with nullcontext() if self.average is None else self.average.applied():
            items = self._shares(validation_batches(reader.source, self.config))
            with self.accelerator.autocast():
                batches = load_batches(reader, items, self.config.num_workers)
                metrics = validate(self.model, batches, self.accelerator)
            self._compare_with_best(metrics)
        return metrics

    def _compare_with_best(self, metrics: dict[str, float]) -> None:
        counters, monitor = self.counters, self.config.monitor
        if monitor not in metrics:
            raise ValueError(f"monitor must be one of {sorted(metrics)}, got {monitor!r}")
        if not is_better(monitor, metrics[monitor], than=counters.best):
            counters.n_worse += 1
            return
        counters.best, counters.best_epoch, counters.n_worse = metrics[monitor], counters.epoch + 1, 0
        if self.config.keep == "best":
            self.best_weights = {k: v.detach().cpu().clone() for k, v in self.model.state_dict().items()}
            self.checkpointer.save_best()

    def _log(self, loss: float, metrics: dict[str, float], samples_per_second: float) -> None:
        # from the schedule, because a resumed run may not yet have set the learning rate of the optimizer
        numbers = {"loss": loss, "learning_rate": self.schedule.learning_rate(self.counters.step - 1)}
        numbers |= {f"validation_{name}": value for name, value in metrics.items()}
        if self.config.trackers:
            self.accelerator.log(numbers, step=self.counters.step)
        position = {"epoch": self.counters.epoch + 1, "step": self.counters.step}
        speed = {"samples_per_second": round(samples_per_second, 2), "seconds": round(self._seconds, 3)}
        self.checkpointer.log({**position, **numbers, **speed})

    def _require_finite(self) -> None:
        sums = torch.stack([p.detach().sum() for p in self.model.parameters()])
        is_finite = bool(self.loss.isfinite().all()) and bool(sums.isfinite().all())
        if any_process(not is_finite, self.accelerator):
            raise FloatingPointError(
                f"the loss or a weight became infinite or NaN in epoch {self.counters.epoch + 1} (update "
                f"{self.counters.step}, mean loss {_mean(self.loss)}): {likely_cause(self.reader)}; earlier "
                "checkpoints were not changed"
            )

    def _save(self) -> None:
        self._require_finite()
        self.counters.seconds = self._seconds
        self.checkpointer.save(self.counters, self.loss)


def _mean(loss: Tensor) -> float:
    total, count = loss.tolist()
    return total / count if count > 0 else 0.0
