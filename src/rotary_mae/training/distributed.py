"""The machine as accelerate sees it, and what the processes of a run tell each other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers
from accelerate.utils import patch_environment
from torch import Tensor

from rotary_mae.training.config import TrainingConfig


def make_accelerator(config: TrainingConfig, out: str | Path | None) -> Accelerator:
    """Accelerate's view of the machine: device, precision, processes."""
    device = config.device
    check_device(device)
    _check_trackers(config.trackers)
    # a process may train twice, with other settings and on another device
    AcceleratorState._reset_state(reset_partial_state=True)
    # accelerate takes the number of a GPU from the environment alone
    numbered = {"ACCELERATE_TORCH_DEVICE": device} if device.startswith("cuda:") else {}
    with patch_environment(**numbered):
        return Accelerator(
            cpu=device == "cpu",
            mixed_precision="bf16" if config.precision == "bf16" else "no",
            log_with=list(config.trackers) or None,
            project_dir=None if out is None else str(out),
        )


def check_device(device: str) -> None:
    """Raise ValueError for a device that there is not, or that is not known."""
    kind, _, number = device.partition(":")
    is_numbered = kind == "cuda" and number.isdecimal()
    if device not in ("auto", "cpu", "cuda") and not is_numbered:
        raise ValueError(f"device must be 'auto', 'cpu', 'cuda' or 'cuda:N', got {device!r}")
    if kind != "cuda":
        return
    if not torch.cuda.is_available():
        raise ValueError(f"device {device!r} was asked for, but torch sees no GPU; use device='auto'")
    if is_numbered and int(number) >= torch.cuda.device_count():
        raise ValueError(
            f"device {device!r} was asked for, but torch sees {torch.cuda.device_count()} GPUs, from cuda:0"
        )
    if is_numbered and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ValueError(
            f"device {device!r} is one GPU, but several processes train; use device='cuda', a GPU for each"
        )


@contextmanager
def on_device(device: torch.device) -> Iterator[None]:
    """Make a GPU the current one for one training: torch's randomness and its kernels are those of the current GPU."""
    if device.type != "cuda":
        yield
        return
    with torch.cuda.device(device):
        yield


def _check_trackers(names: tuple[str, ...]) -> None:
    # accelerate leaves out a tracker that is not installed without a word
    there = {str(getattr(name, "value", name)) for name in get_available_trackers()}
    for name in names:
        if name not in LOGGER_TYPE_TO_CLASS:
            raise ValueError(f"trackers must be among {sorted(LOGGER_TYPE_TO_CLASS)}, got {name!r}")
        if name not in there:
            raise ValueError(f"tracker {name!r} is not installed; install its package, or leave it out of trackers")


def any_process(flag: bool, accelerator: Accelerator) -> bool:
    """Whether the flag is set in any process."""
    if accelerator.num_processes == 1:
        return flag
    return bool(accelerator.reduce(torch.tensor(float(flag), device=accelerator.device), "sum") > 0)


def gather_rows(parts: list[Tensor], accelerator: Accelerator) -> np.ndarray[Any, Any]:
    """Rows (N, ...) of all processes, one process after the other; one that has none gives an empty list."""
    if accelerator.num_processes == 1:
        return torch.cat(parts).cpu().numpy()
    # through the CPU as objects: a process without rows knows neither their width nor their type
    mine = [part.cpu().numpy() for part in parts]
    everyone: list[Any] = [None] * accelerator.num_processes
    torch.distributed.all_gather_object(everyone, mine)
    return np.concatenate([rows for of_process in everyone for rows in of_process])
