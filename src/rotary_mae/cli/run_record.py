"""What a run was asked to do, in its folder: so that it can be resumed, and said again, without repeating flags."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rotary_mae._atomic import replacing_file
from rotary_mae.cli.data import is_main_process
from rotary_mae.training.run_folder import RunFolder

RECORD = "command.yaml"


def recorded_settings(out: str, command: str) -> Path | None:
    """The settings of the run in ``out``, a configuration file of ``command``; None if there are none.

    Raises ValueError for a run of another command.
    """
    path = Path(out) / RECORD
    if not path.is_file():
        return None
    first = path.read_text().splitlines()[:1]
    if first != [_heading(command)]:
        made_by = " ".join(first).removeprefix("# ").partition(" --")[0]
        raise ValueError(f"{out} is a run of another command, {made_by}; resume it with that")
    return path


@contextmanager
def recording(out: Path, command: str, settings: str, data: Path, resume: bool) -> Iterator[None]:
    """Train into ``out``: refuses a folder with another run before any work, and leaves none behind an early error.

    An interruption says where the state is, and how to go on.
    """
    folder = RunFolder(out)
    folder.check_free(resume)
    record = out / RECORD
    try:
        if is_main_process() and not (resume and record.exists()):
            with replacing_file(record) as partial:
                partial.write_text(f"{_heading(command)}\n{settings}")
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_how_to_go_on(folder, command, data)) from None
    finally:
        try:
            _forget(folder)
        except KeyboardInterrupt:
            # on a busy machine Ctrl-C can come as late as this, when another error has ended the command already
            _forget(folder)
            raise


def _heading(command: str) -> str:
    return f"# romae {command} --config {RECORD}"


def _how_to_go_on(folder: RunFolder, command: str, data: Path) -> str:
    running = folder.in_progress
    if running is None or not running.last.exists():
        return f"no state had been saved in {folder.path} yet"
    return f"the state is in {running.last}; go on with: romae {command} {data} --out {folder.path} --resume"


def _forget(folder: RunFolder) -> None:
    """Take away what was noted about a run, if it never began."""
    if not is_main_process() or folder.in_progress is not None:
        return
    for name in (RECORD, "estimator.json"):
        (folder.path / name).unlink(missing_ok=True)
    if folder.path.is_dir() and not any(folder.path.iterdir()):
        folder.path.rmdir()
