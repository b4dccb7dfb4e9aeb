"""The command ``romae``: what goes wrong is one line, and an interruption says how to go on."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Sequence

USER_ERROR, INTERRUPTED = 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0, 2 for what the user can mend, 130 after Ctrl-C.

    ``--debug`` anywhere, or ROMAE_DEBUG=1, shows where an error came from.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    is_debugged = "--debug" in given or os.environ.get("ROMAE_DEBUG", "") not in ("", "0")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _note  # type: ignore[assignment]
            return _run([argument for argument in given if argument != "--debug"])
    except KeyboardInterrupt as interruption:
        _say("interrupted", str(interruption) or "nothing was written")
        return INTERRUPTED
    except BrokenPipeError:
        # whoever read our output has seen enough; Python would complain when it flushes
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, FloatingPointError) as error:
        if is_debugged:
            raise
        _say("error", _in_words(error))
        return USER_ERROR


def script() -> None:
    """What the shell's ``romae`` is: ``main`` and its exit code, and nothing more said after what ``main`` said."""
    _share_cores()
    try:
        code = main()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    except KeyboardInterrupt:
        # so late that another end of the command was being told
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        code = INTERRUPTED
    sys.exit(code)


def _share_cores() -> None:
    # GNU OpenMP's threads spin while they wait for one another. Beside another busy process that takes the time of
    # the very thread they wait for, and training gets several times slower; so they sleep sooner (after a thirtieth of
    # what they do else, which cost nothing on quiet cores; a tenth of that did). Read when torch is loaded; what the
    # user has set stands.
    if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = "10000"


def _run(arguments: list[str]) -> int:
    # imported here, so that Ctrl-C while Python is still loading is handled too
    from rotary_mae.cli.parser import run

    return run(arguments)


def _in_words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def _say(kind: str, message: str) -> None:
    print(f"romae: {kind}: {' '.join(message.split())}", file=sys.stderr)


def _note(message: Warning | str, *_: object) -> None:
    _say("note", str(message))


if __name__ == "__main__":
    script()
