"""Accelerate for one training: its device, precision and processes, without effects on the caller's own use of it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState, PartialState
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers
from accelerate.utils import patch_environment
from torch import Tensor

from rotary_mae.training.config import TrainingConfig

_STATE_CLASSES = (PartialState, AcceleratorState, GradientState)


class IsolatedState:
    """Accelerate's shared state, of which each training has its own while it runs.

    All objects of one of accelerate's state classes share one dictionary, which the first Accelerator of a process
    fills. Here a training puts empty dictionaries in their place, so that its Accelerator may have another precision
    and device than others of this process, and puts back those that it found. The caller's dictionaries are thus never
    written to. Trainings in several threads end in any order: the caller's state is back after the last.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stack: list[dict[type, Any]] = []

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Give accelerate a new, empty state, and restore the previous one at the end."""
        with self._lock:
            if not self._stack:
                # from vars, because on a TPU the dictionary is inside of a descriptor
                self._stack.append({cls: vars(cls)["_shared_state"] for cls in _STATE_CLASSES})
            own = {cls: type(shared)() for cls, shared in self._stack[0].items()}
            self._stack.append(own)
            self._install(own)
        try:
            yield
        finally:
            with self._lock:
                self._stack = [state for state in self._stack if state is not own]
                self._install(self._stack[-1])
                if len(self._stack) == 1:
                    self._stack.clear()

    @staticmethod
    def _install(state: dict[type, Any]) -> None:
        for cls, shared in state.items():
            cls._shared_state = shared  # type: ignore[attr-defined]


_ISOLATED_STATE = IsolatedState()


@contextmanager
def training_accelerator(config: TrainingConfig, out: str | Path | None = None) -> Iterator[Accelerator]:
    """Provide an Accelerator for one training, and leave the process as it was found.

    Accelerate's shared state, the environment, torch's number of threads and the current GPU are restored at the end.
    The process group of several processes stays, as later trainings need it.

    Parameters
    ----------
    config : TrainingConfig
        Device, precision and trackers.
    out : str, Path or None
        Folder of the run, for trackers.

    Yields
    ------
    Accelerator
        To be used inside of the context only.

    Raises
    ------
    ValueError
        If the device or a tracker is not available.
    """
    check_device(config.device)
    _check_trackers(config.trackers)
    # accelerate reads the number of a GPU from the environment alone
    numbered = {"ACCELERATE_TORCH_DEVICE": config.device} if config.device.startswith("cuda:") else {}
    with _ISOLATED_STATE.entered(), _restored_torch():
        with _restored_environment(), patch_environment(**numbered):
            accelerator = Accelerator(
                cpu=config.device == "cpu",
                mixed_precision="bf16" if config.precision == "bf16" else "no",
                log_with=list(config.trackers) or None,
                project_dir=None if out is None else str(out),
            )
        with _on_device(accelerator.device):
            yield accelerator


@contextmanager
def _restored_environment() -> Iterator[None]:
    """Restore the environment, in which an Accelerator leaves variables for some kinds of devices and launchers."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


@contextmanager
def _restored_torch() -> Iterator[None]:
    """Restore torch's number of threads and the current GPU, which an Accelerator of several processes sets."""
    n_threads = torch.get_num_threads()
    gpu = torch.cuda.current_device() if torch.cuda.is_initialized() else None
    try:
        yield
    finally:
        if torch.get_num_threads() != n_threads:
            torch.set_num_threads(n_threads)
        if gpu is not None:
            torch.cuda.set_device(gpu)


@contextmanager
def _on_device(device: torch.device) -> Iterator[None]:
    """Make a GPU the current one, because torch's randomness and kernels are those of the current GPU."""
    if device.type != "cuda":
        yield
        return
    with torch.cuda.device(device):
        yield


def check_device(device: str) -> None:
    """Raise ValueError for a device that is not available, or that is none."""
    kind, _, number = device.partition(":")
    is_numbered = kind == "cuda" and number.isdecimal()
    if device not in ("auto", "cpu", "cuda") and not is_numbered:
        raise ValueError(f"device must be 'auto', 'cpu', 'cuda' or 'cuda:N', got {device!r}")
    if kind != "cuda":
        return
    if not torch.cuda.is_available():
        raise ValueError(f"device {device!r} is set, but torch finds no GPU; use device='auto'")
    if is_numbered and int(number) >= torch.cuda.device_count():
        raise ValueError(
            f"device {device!r} is set, but torch finds {torch.cuda.device_count()} GPUs; choose one of them"
        )
    if is_numbered and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ValueError(
            f"device {device!r} is one GPU, but several processes train; use device='cuda', a GPU for each"
        )


def _check_trackers(names: tuple[str, ...]) -> None:
    # accelerate leaves out a tracker that is not installed without a message
    installed = {str(getattr(name, "value", name)) for name in get_available_trackers()}
    for name in names:
        if name not in LOGGER_TYPE_TO_CLASS:
            raise ValueError(f"trackers must be among {sorted(LOGGER_TYPE_TO_CLASS)}, got {name!r}")
        if name not in installed:
            raise ValueError(f"tracker {name!r} is not installed; install its package, or leave it out of trackers")


def any_process(flag: bool, accelerator: Accelerator) -> bool:
    """Return True if the flag is set in any process."""
    if accelerator.num_processes == 1:
        return flag
    return bool(accelerator.reduce(torch.tensor(float(flag), device=accelerator.device), "sum") > 0)


def gather_rows(parts: list[Tensor], accelerator: Accelerator) -> np.ndarray[Any, Any]:
    """Return the rows (N, ...) of all processes, in the order of the processes.

    Parameters
    ----------
    parts : list of Tensor, shape (n, ...)
        Rows of this process; empty if it has none.
    accelerator : Accelerator
    """
    if accelerator.num_processes == 1:
        return torch.cat(parts).cpu().numpy()
    # as objects on the CPU, because a process without rows has neither their width nor their type
    own = [part.cpu().numpy() for part in parts]
    gathered: list[Any] = [None] * accelerator.num_processes
    torch.distributed.all_gather_object(gathered, own)
    return np.concatenate([rows for of_process in gathered for rows in of_process])
