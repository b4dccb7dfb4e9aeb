"""Torch's global settings during training and prediction: fixed where results depend on them, and restored afterwards.

The number of threads, the random state, and the choice of deterministic algorithms stay those of the caller.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

_AUTOCAST_DEVICES = ("cpu", "cuda")


class _ProcessSettings:
    """Settings that all threads share: default dtype and precision of float32 matrix products.

    The first of several threads sets them and the last restores them, because threads end in any order.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_inside = 0
        self._before = ExitStack()

    @contextmanager
    def fixed(self) -> Iterator[None]:
        """Set float32 as default dtype and for matrix products, and restore the caller's settings at the end."""
        with self._lock:
            self._n_inside += 1
            if self._n_inside == 1:
                self._before.callback(torch.set_default_dtype, torch.get_default_dtype())
                torch.set_default_dtype(torch.float32)
                _set_full_precision(self._before)
        try:
            yield
        finally:
            with self._lock:
                self._n_inside -= 1
                if self._n_inside == 0:
                    self._before.close()


def _set_full_precision(before: ExitStack) -> None:
    """Compute products of float32 matrices in float32; ``before`` restores the caller's choice."""
    try:
        given = torch.get_float32_matmul_precision()
    except RuntimeError:
        # the caller chose precisions by backend, which torch then cannot express as one name
        backends: Any = torch.backends
        for backend in (backends.cuda.matmul, backends.mkldnn.matmul):
            before.callback(setattr, backend, "fp32_precision", backend.fp32_precision)
            backend.fp32_precision = "ieee"
        return
    if given != "highest":
        before.callback(torch.set_float32_matmul_precision, given)
        torch.set_float32_matmul_precision("highest")


_PROCESS_SETTINGS = _ProcessSettings()


@contextmanager
def float32_weights() -> Iterator[None]:
    """Make weights that can be trained: float32 tensors outside of inference mode, on the caller's default device."""
    with _PROCESS_SETTINGS.fixed(), torch.inference_mode(False):
        yield


@contextmanager
def standard_torch() -> Iterator[None]:
    """Compute independently of torch's global settings, and leave them as they were.

    Within the context, the default dtype is float32, the default device is the CPU, products of float32 matrices are
    computed in float32, gradients are recorded, and neither inference mode nor autocast is on.
    """
    with ExitStack() as stack:
        stack.enter_context(float32_weights())
        stack.enter_context(torch.enable_grad())
        for device in _AUTOCAST_DEVICES:
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        yield
