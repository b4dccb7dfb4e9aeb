"""Graceful shutdown: Ctrl-C and SIGTERM stop training between two updates."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class GracefulShutdown:
    """Context in which a first signal sets ``is_requested`` and a second one raises KeyboardInterrupt.

    The update and the checkpoint in progress are thus completed. The handlers of the caller are restored at the end.
    Outside of the main thread, where Python delivers no signals, nothing changes.
    """

    def __init__(self) -> None:
        self.is_requested = False
        self._previous_handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            # None is a handler that was not installed from Python, which could not be restored
            replaceable = [number for number in SIGNALS if signal.getsignal(number) is not None]
            self._previous_handlers = {number: signal.signal(number, self._request) for number in replaceable}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)

    def _request(self, number: int, frame: FrameType | None) -> None:
        if self.is_requested:
            raise KeyboardInterrupt("interrupted twice: stopping without saving")
        self.is_requested = True
