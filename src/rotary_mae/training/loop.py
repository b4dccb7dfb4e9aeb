"""The one training loop: pre-training and fine-tuning, one process or many, resumed exactly."""

from __future__ import annotations

import copy
import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor

from rotary_mae.batches.batch import TokenBatch
from rotary_mae.batches.sampler import epoch_batches, rank_share
from rotary_mae.data.scaling import Scaling
from rotary_mae.data.tokens import Source
from rotary_mae.models.autoencoder import RoMAEForPreTraining
from rotary_mae.models.checkpoint import Pretrained, read_weights
from rotary_mae.training.config import TrainingConfig
from rotary_mae.training.evaluation import any_process, evaluate
from rotary_mae.training.loader import VALIDATION_EPOCH, BatchReader, read_ahead
from rotary_mae.training.losses import loss_parts
from rotary_mae.training.metrics import HIGHER_IS_BETTER
from rotary_mae.training.optimizer import learning_rate_factor, make_optimizer, warmup_steps
from rotary_mae.training.progress import TrainingProgress
from rotary_mae.training.run_folder import RunFolder
from rotary_mae.training.state import Counters, load_state, random_state, save_state

# Samples on disk that are read as one run when the source is not in memory.
DISK_BLOCK = 64


@dataclass(frozen=True)
class TrainingResult:
    """history: a line of metrics an epoch. best: of the monitored metric (None without validation), in best_epoch.

    steps: updates made. seconds: of training, over all resumptions.
    """

    history: list[dict[str, Any]]
    best: float | None
    best_epoch: int
    steps: int
    seconds: float


def train(
    model: Pretrained,
    tokens: Source,
    config: TrainingConfig | None = None,
    *,
    validation: Source | None = None,
    out: str | Path | None = None,
    scaling: Scaling | None = None,
    resume: bool = False,
    sample_weight: npt.ArrayLike | None = None,
    title: str | None = None,
) -> TrainingResult:
    """Train a model in place; it ends in evaluation mode with the best weights (the last without validation).

    Args:
        model: RoMAEForPreTraining, or RoMAEForPrediction for tokens with numeric targets.
        tokens: a TokenSet or another Source of training samples, as the model shall see them, or raw with
            ``scaling``.
        config: see TrainingConfig.
        validation: samples that choose the best checkpoint and, with ``config.patience``, when to stop.
        out: a folder for metrics and checkpoints; nothing is written if None.
        scaling: applied to every batch of tokens and validation, and saved with the weights.
        resume: go on with the run in ``out`` from its last state, if there is one; the result is the same to the
            bit on a CPU as if it had never stopped.
        sample_weight: (B,) weights of the training samples in the loss.
        title: what the progress bar calls it.

    Raises:
        FileExistsError: ``out`` holds another run. FloatingPointError: the loss became infinite or NaN; what was
            saved before stays. KeyboardInterrupt: after Ctrl-C or SIGTERM, with the state saved in ``out``.
    """
    config = config or TrainingConfig()
    if len(tokens) == 0:
        raise ValueError("there are no training samples")
    if resume and out is None:
        raise ValueError("resume needs out=, the folder of the run to go on with")
    with _own_randomness(config.seed):
        trainer = _Trainer(model, tokens, config, validation, out, scaling, sample_weight, title)
        return trainer.run(resume)


class _Trainer:
    def __init__(
        self,
        model: Pretrained,
        tokens: Source,
        config: TrainingConfig,
        validation: Source | None,
        out: str | Path | None,
        scaling: Scaling | None,
        sample_weight: npt.ArrayLike | None,
        title: str | None,
    ) -> None:
        self.config, self.tokens = config, tokens
        self.accelerator = make_accelerator(config, out)
        self.folder = None if out is None else RunFolder(out)
        is_pretraining = isinstance(model, RoMAEForPreTraining)
        self.title = title or ("pre-train" if is_pretraining else "fine-tune")
        if scaling is not None:
            model.scaling = scaling
        weights = None if sample_weight is None else np.asarray(sample_weight, np.float32)
        hiding = config.hiding if is_pretraining else None
        augmentation = config.augmentation if config.augmentation else None
        self.reader = BatchReader(tokens, scaling, hiding, augmentation, config.seed, 0, weights)
        self.validation_reader = None
        if validation is not None:
            self.validation_reader = BatchReader(validation, scaling, hiding, None, config.seed, VALIDATION_EPOCH)
        self.model = model
        self.optimizer = make_optimizer(model, config)
        if config.compile:
            model.compile()
        self.wrapped, self.optimizer = self.accelerator.prepare(model, self.optimizer)
        n_batches = len(self._batches(0))
        self.steps_per_epoch = -(-n_batches // config.accumulate)
        self.n_steps = config.epochs * self.steps_per_epoch
        if config.max_steps is not None:
            self.n_steps = min(self.n_steps, config.max_steps)
        self.n_epochs = min(config.epochs, -(-self.n_steps // self.steps_per_epoch))
        self.n_warmup = warmup_steps(config, self.n_steps)
        self.evaluate_every = config.evaluate_every or max(1, self.n_epochs // 50)
        self.counters = Counters()
        self.loss = torch.zeros(2, dtype=torch.float64, device=self.accelerator.device)
        self.best_weights: dict[str, Tensor] | None = None
        self.history: list[dict[str, Any]] = []
        self.is_interrupted = False
        self.started = time.perf_counter()
        self.saved_at = time.perf_counter()

    # -- the run ----------------------------------------------------------------------------------------------

    def run(self, resume: bool) -> TrainingResult:
        self._begin(resume)
        counters = self.counters
        is_shown = self.config.progress and self.accelerator.is_main_process
        bar = TrainingProgress(self.title, self.n_epochs, self.n_steps, counters.step, is_shown)
        with bar, self._catching_signals():
            while not counters.is_finished:
                self._train_epoch(bar)
                self._end_epoch(bar)
        return self._finish()

    def _begin(self, resume: bool) -> None:
        if self.folder is None:
            return
        if self.accelerator.is_main_process:
            self.folder.prepare(self.config, resume)
        self.accelerator.wait_for_everyone()
        if resume and self.folder.last.exists():
            self.counters = load_state(
                self.folder.last, self.model, self._bare_optimizer, self.accelerator.process_index
            )
            self.loss += torch.tensor(
                [self.counters.loss_total, self.counters.loss_count],
                dtype=torch.float64,
                device=self.loss.device,
            )
            if self.counters.best is not None:
                self.best_weights = read_weights(self.folder.best)
            self.started = time.perf_counter() - self.counters.seconds
            if self.accelerator.is_main_process:
                self.folder.keep_lines(self.counters.n_lines)
                self.history = self.folder.history()
        elif self.accelerator.is_main_process:
            described = {
                "class": type(self.model).__name__,
                **self.model.config.to_dict(),
                **self.model._arguments(),
            }
            data = {"n_samples": len(self.tokens), "n_parameters": self.model.n_parameters()}
            self.folder.describe(self.config, described, data)

    @property
    def _bare_optimizer(self) -> torch.optim.Optimizer:
        inner: torch.optim.Optimizer = getattr(self.optimizer, "optimizer", self.optimizer)
        return inner

    def _train_epoch(self, bar: TrainingProgress) -> None:
        counters, config = self.counters, self.config
        updates = self._batches(counters.epoch)
        groups = [updates[i : i + config.accumulate] for i in range(0, len(updates), config.accumulate)]
        groups = groups[counters.batch :]
        groups = groups[: self.n_steps - counters.step]
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        items = [rank_share(batch, rank, world) for group in groups for batch in group]
        batches = iter(read_ahead(self.reader.at(counters.epoch), items, config.num_workers))
        self.wrapped.train()
        for group in groups:
            self._update([next(batches) for _ in group])
            counters.step += 1
            counters.batch += 1
            bar.n_samples += sum(len(batch) for batch in group)
            if bar.is_due:
                bar.show(counters.step, counters.epoch, self._mean_loss())
            self._maybe_stop()

    def _update(self, batches: list[TokenBatch]) -> None:
        """One update of the weights from the gradients of several batches, as if they were one."""
        factor = learning_rate_factor(self.counters.step, self.n_warmup, self.n_steps)
        for param_group in self._bare_optimizer.param_groups:
            param_group["lr"] = self.config.learning_rate * factor
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
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

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

    def _batches(self, epoch: int) -> list[npt.NDArray[np.int64]]:
        config = self.config
        return epoch_batches(
            len(self.tokens),
            seed=config.seed,
            epoch=epoch,
            batch_size=config.batch_size,
            max_tokens=config.max_tokens,
            lengths=getattr(self.tokens, "lengths", None),
            block=DISK_BLOCK if getattr(self.tokens, "is_on_disk", False) else 1,
        )

    def _mean_loss(self) -> float:
        total, count = self.loss.tolist()
        return total / count if count > 0 else 0.0

    # -- ends of epochs ---------------------------------------------------------------------------------------

    def _end_epoch(self, bar: TrainingProgress) -> None:
        counters = self.counters
        total, count = self.accelerator.reduce(self.loss.clone(), "sum").tolist()
        loss = total / count if count > 0 else 0.0
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the training loss became {loss} in epoch {counters.epoch + 1} (update {counters.step}): lower "
                "learning_rate or clip harder; what was saved before is kept"
            )
        is_last = counters.step >= self.n_steps or counters.epoch + 1 >= self.n_epochs
        line: dict[str, Any] = {
            "epoch": counters.epoch + 1,
            "step": counters.step,
            "loss": loss,
            "learning_rate": self._bare_optimizer.param_groups[0]["lr"],
        }
        results: dict[str, float] = {}
        if self.validation_reader is not None and ((counters.epoch + 1) % self.evaluate_every == 0 or is_last):
            results = self._evaluate()
            line |= {f"validation_{name}": value for name, value in results.items()}
        counters.epoch, counters.batch = counters.epoch + 1, 0
        self.loss.zero_()
        is_worn = results and 0 < self.config.patience <= counters.n_worse
        counters.is_finished = bool(is_last or is_worn)
        self._log(line, bar.rate)
        bar.show(counters.step, counters.epoch - 1, loss)
        bar.end_epoch(counters.epoch - 1, loss, results, self.config.monitor)
        self._maybe_save()

    def _evaluate(self) -> dict[str, float]:
        reader, counters = self.validation_reader, self.counters
        if reader is None:
            return {}
        rank, world, size = (
            self.accelerator.process_index,
            self.accelerator.num_processes,
            self.config.batch_size,
        )
        n = len(reader.source)
        items = [rank_share(np.arange(i, min(i + size, n)), rank, world) for i in range(0, n, size)]
        with self.accelerator.autocast():
            results = evaluate(self.model, read_ahead(reader, items, self.config.num_workers), self.accelerator)
        if self.config.monitor not in results:
            raise ValueError(f"monitor must be one of {sorted(results)}, got {self.config.monitor!r}")
        value = results[self.config.monitor]
        sign = -1.0 if self.config.monitor in HIGHER_IS_BETTER else 1.0
        if counters.best is None or sign * value < sign * counters.best:
            counters.best, counters.best_epoch, counters.n_worse = value, counters.epoch + 1, 0
            self.best_weights = copy.deepcopy({k: v.detach().cpu() for k, v in self.model.state_dict().items()})
            if self.folder is not None and self.accelerator.is_main_process:
                self.model.save_pretrained(self.folder.best)
        else:
            counters.n_worse += 1
        return results

    def _log(self, line: dict[str, Any], rate: float) -> None:
        if self.config.trackers:
            self.accelerator.log({k: v for k, v in line.items() if k not in ("epoch", "step")}, step=line["step"])
        if not self.accelerator.is_main_process:
            return
        line |= {
            "samples_per_second": round(rate, 2),
            "seconds": round(time.perf_counter() - self.started, 3),
        }
        self.history.append(line)
        self.counters.n_lines = len(self.history)
        if self.folder is not None:
            self.folder.log(line)

    # -- saving and stopping ----------------------------------------------------------------------------------

    def _maybe_stop(self) -> None:
        # several processes must agree, which they do at the ends of epochs
        alone = self.accelerator.num_processes == 1
        if alone and self.is_interrupted:
            self._save()
            where = f"; its state is in {self.folder.last}, go on with resume" if self.folder is not None else ""
            raise KeyboardInterrupt(f"training was interrupted at update {self.counters.step}{where}")
        if (
            alone
            and self.folder is not None
            and time.perf_counter() - self.saved_at > max(self.config.save_seconds, 60.0)
        ):
            self._save()

    def _maybe_save(self) -> None:
        """At the end of an epoch: save if it is time, and stop if any process was asked to."""
        is_asked = any_process(self.is_interrupted, self.accelerator)
        is_due = time.perf_counter() - self.saved_at >= self.config.save_seconds
        if is_asked or self.counters.is_finished or any_process(is_due, self.accelerator):
            self._save()
        if is_asked and not self.counters.is_finished:
            raise KeyboardInterrupt(f"training was interrupted after epoch {self.counters.epoch}")

    def _save(self) -> None:
        if self.folder is None:
            return
        counters = self.counters
        total, count = self.loss.tolist()
        counters.loss_total, counters.loss_count = total, count
        counters.seconds = time.perf_counter() - self.started
        states = [random_state()]
        if self.accelerator.num_processes > 1:
            gathered = self.accelerator.gather(states[0].to(self.accelerator.device)).cpu()
            states = list(gathered.chunk(self.accelerator.num_processes))
        if self.accelerator.is_main_process:
            save_state(self.folder.last, self.model, self._bare_optimizer, counters, states)
        self.accelerator.wait_for_everyone()
        self.saved_at = time.perf_counter()

    @contextmanager
    def _catching_signals(self) -> Iterator[None]:
        """Ctrl-C and SIGTERM wait for the end of an update, so that what is saved is whole."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
        for number in before:
            signal.signal(number, self._note_signal)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note_signal(self, number: int, frame: FrameType | None) -> None:
        if self.is_interrupted:
            raise KeyboardInterrupt("interrupted twice: stopping without saving")
        self.is_interrupted = True

    def _finish(self) -> TrainingResult:
        counters = self.counters
        if self.best_weights is not None:
            self.model.load_state_dict(self.best_weights)
        if self.config.trackers:
            self.accelerator.end_training()
        self.accelerator.unwrap_model(self.wrapped, keep_fp32_wrapper=False)
        self.model.eval()
        return TrainingResult(
            self.history,
            counters.best,
            counters.best_epoch,
            counters.step,
            time.perf_counter() - self.started,
        )


def make_accelerator(config: TrainingConfig, out: str | Path | None) -> Accelerator:
    """Accelerate's view of the machine: device, precision, processes, trackers."""
    # a process may train twice, with other settings
    AcceleratorState._reset_state()
    device = config.device
    if device not in ("auto", "cpu") and not device.startswith("cuda"):
        raise ValueError(f"device must be 'auto', 'cpu' or 'cuda', got {device!r}")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError("device 'cuda' was asked for, but torch sees no GPU; use device='auto'")
    accelerator = Accelerator(
        cpu=device == "cpu",
        mixed_precision="bf16" if config.precision == "bf16" else "no",
        log_with=list(config.trackers) or None,
        project_dir=None if out is None else str(out),
    )
    if config.trackers:
        accelerator.init_trackers("rotary-mae", config={k: str(v) for k, v in config.to_dict().items()})
    return accelerator


@contextmanager
def _own_randomness(seed: int) -> Iterator[None]:
    """Seed torch for this training, differently in each process, and leave the caller's randomness as it was."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
        torch.manual_seed(seed * 1_000_003 + rank)
        yield
