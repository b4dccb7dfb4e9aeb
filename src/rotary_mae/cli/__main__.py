"""The command ``romae``: errors in one line, exit codes, and the environment of its process."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Sequence

from rotary_mae.nn.kernel_cache import limit_kernel_caches

USER_ERROR, INTERRUPTED = 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Changes nothing in the calling process: no environment variables, no warning filters, no signal handlers.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command and flags; default: those of this process. ``--debug`` anywhere, or the environment variable
        ``ROMAE_DEBUG=1``, raises errors with their traceback.

    Returns
    -------
    int
        0 for success, 2 for an error that the user can correct, 130 after Ctrl-C.

    Raises
    ------
    BrokenPipeError
        If the reader of the standard output has closed it.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    is_debugged = "--debug" in given or os.environ.get("ROMAE_DEBUG", "") not in ("", "0")
    try:
        # restores warnings.showwarning as well
        with warnings.catch_warnings():
            warnings.showwarning = _print_warning  # type: ignore[assignment]
            return _run([argument for argument in given if argument != "--debug"])
    except KeyboardInterrupt as interruption:
        _print_line("interrupted", str(interruption) or "nothing was written")
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except (ValueError, OSError, FloatingPointError) as error:
        if is_debugged:
            raise
        _print_line("error", _error_text(error))
        return USER_ERROR


def script() -> None:
    """Entry point of the shell command: ``main`` in a process of its own, which exits with its code."""
    _set_environment()
    try:
        code = main()
        # a second Ctrl-C must not add a traceback to what main has printed
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    except BrokenPipeError:
        # without this Python reports an error when it flushes the standard output at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except KeyboardInterrupt:
        # arrived while main was handling another error
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        code = INTERRUPTED
    sys.exit(code)


def _set_environment() -> None:
    """Set variables of this process that torch and oneDNN read; values set by the user are kept."""
    # The threads of GNU OpenMP spin while they wait for one another. Beside another busy process this takes time from
    # the thread they wait for, and training gets several times slower. A thirtieth of the default spin count avoids
    # that and costs nothing on idle cores; a three-hundredth was slower.
    if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = "10000"
    limit_kernel_caches()


def _run(arguments: list[str]) -> int:
    # imported here, so that Ctrl-C while Python loads modules is handled too
    from rotary_mae.cli.parser import run

    return run(arguments)


def _error_text(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def _print_line(kind: str, message: str) -> None:
    print(f"romae: {kind}: {' '.join(message.split())}", file=sys.stderr)


def _print_warning(message: Warning | str, *_: object) -> None:
    _print_line("note", str(message))


if __name__ == "__main__":
    script()
