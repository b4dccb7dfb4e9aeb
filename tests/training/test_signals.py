"""Graceful shutdown: the first signal is noted, and the handlers of the caller are restored."""

import os
import signal
import threading

import pytest

from rotary_mae.training.signals import SIGNALS, GracefulShutdown


@pytest.mark.parametrize("number", SIGNALS)
def test_a_first_signal_is_noted_and_a_second_one_interrupts(number):
    with GracefulShutdown() as shutdown:
        assert not shutdown.is_requested
        os.kill(os.getpid(), number)
        assert shutdown.is_requested
        with pytest.raises(KeyboardInterrupt, match="twice"):
            os.kill(os.getpid(), number)


def test_the_handlers_of_the_caller_are_restored():
    def handler(number, frame):
        raise AssertionError("not to be called")

    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        with GracefulShutdown():
            assert all(signal.getsignal(number) is not handler for number in SIGNALS)
        assert all(signal.getsignal(number) is handler for number in SIGNALS)
        with pytest.raises(RuntimeError, match="gone"), GracefulShutdown():
            raise RuntimeError("gone")
        assert all(signal.getsignal(number) is handler for number in SIGNALS)
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def test_handlers_that_cannot_be_restored_are_left_alone(monkeypatch):
    # getsignal is None for a handler that was not installed from Python
    monkeypatch.setattr(signal, "getsignal", lambda number: None)
    monkeypatch.setattr(signal, "signal", lambda *given: pytest.fail("a handler was replaced"))
    with GracefulShutdown() as shutdown:
        assert not shutdown.is_requested


def test_outside_of_the_main_thread_no_handler_changes():
    before, inside = [signal.getsignal(number) for number in SIGNALS], []

    def enter():
        with GracefulShutdown():
            inside.extend(signal.getsignal(number) for number in SIGNALS)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert inside == before
