"""The settings of a command, saved in the folder of its run: a run is resumed or repeated without its flags."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rotary_mae._atomic import replacing_file, user_path
from rotary_mae.cli.data import is_main_process
from rotary_mae.training.run_folder import RunFolder

RECORD = "command.yaml"
"""Name of the file, which is a valid ``--config``."""


def recorded_settings(out: str, command: str) -> Path | None:
    """Return the file with the settings of a run.

    Parameters
    ----------
    out : str
        Folder of the run.
    command : str
        Command that resumes it.

    Returns
    -------
    Path or None
        A file for ``--config``; None if the folder has none.

    Raises
    ------
    ValueError
        If the run belongs to another command.
    """
    path = user_path(out) / RECORD
    if not path.is_file():
        return None
    first = path.read_text().splitlines()[:1]
    if first != [_heading(command)]:
        made_by = " ".join(first).removeprefix("# ").partition(" --")[0]
        raise ValueError(f"{out} is a run of another command, {made_by}; resume it with that command")
    return path


@contextmanager
def recording(out: Path, command: str, settings: str, data: Path, resume: bool) -> Iterator[None]:
    """Save the settings of a training command while it runs.

    Parameters
    ----------
    out : Path
        Folder of the run.
    command : str
        The training command.
    settings : str
        Its settings as YAML.
    data : Path
        Data of the run, for the message after Ctrl-C.
    resume : bool
        True if the folder may contain a run; its record is kept.

    Raises
    ------
    FileExistsError
        If the folder contains another run or other files; raised before any work.
    KeyboardInterrupt
        With a message that says where the state is saved and how to resume.

    Notes
    -----
    If the command fails before training starts, the record and an otherwise empty folder are removed.
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
        raise KeyboardInterrupt(_resume_instructions(folder, command, data)) from None
    finally:
        try:
            _remove_unstarted(folder)
        except KeyboardInterrupt:
            # on a busy machine Ctrl-C can arrive here, after another error has ended the command
            _remove_unstarted(folder)
            raise


def _heading(command: str) -> str:
    return f"# romae {command} --config {RECORD}"


def _resume_instructions(folder: RunFolder, command: str, data: Path) -> str:
    running = folder.in_progress
    if running is None or not running.last.exists():
        return f"no state was saved in {folder.path} yet"
    return f"the state is saved in {running.last}; resume with: romae {command} {data} --out {folder.path} --resume"


def _remove_unstarted(folder: RunFolder) -> None:
    """Remove the record of a run whose training did not start."""
    if not is_main_process() or folder.in_progress is not None:
        return
    for name in (RECORD, "estimator.json"):
        (folder.path / name).unlink(missing_ok=True)
    if folder.path.is_dir() and not any(folder.path.iterdir()):
        folder.path.rmdir()
