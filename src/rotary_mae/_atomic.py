"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def user_path(path: str | Path) -> Path:
    """Return the path that a user gave, with ``~`` replaced by the home folder; an unknown ``~name`` stays."""
    return Path(os.path.expanduser(path))


@contextmanager
def replacing_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write to, and move it to ``path`` at the end.

    After an error ``path`` is as it was, and the temporary file and new folders are removed.
    """
    path = user_path(path)
    with _new_parents(path):
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            yield partial
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def _new_parents(path: Path) -> Iterator[None]:
    """Make the folders above ``path``, and remove the new ones after an error, if nothing else is in them."""
    new = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for folder in new:
            with suppress(OSError):  # not empty, or removed by another process
                folder.rmdir()
        raise


def is_partial(path: Path) -> bool:
    """Return True for a temporary file of ``replacing_file``, which a killed process left behind."""
    return path.name.startswith(".") and path.name.endswith(".partial")


@contextmanager
def replacing_folder(folder: Path, own: Collection[str] | None = None) -> Iterator[Path]:
    """Give a new folder beside ``folder`` to write to, and put it in the place of ``folder`` at the end.

    After an error ``folder`` is as it was.

    Parameters
    ----------
    folder : Path
        Folder to replace; need not exist.
    own : collection of str, optional
        Names that the new folder replaces. Anything else in ``folder`` belongs to the user and stays. None replaces
        everything.

    Raises
    ------
    FileExistsError
        If ``folder`` is a file.
    """
    folder = user_path(folder)
    if folder.is_file():
        raise FileExistsError(f"{folder} is a file, and this is saved as a folder; choose another name")
    partial, replaced = _beside(folder, "partial"), _beside(folder, "replaced")
    recover(folder)
    _move_others(replaced, folder, own)  # of a replacement that was killed before it did so
    # leftovers of a killed replacement would be in the way of the renames
    shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(replaced, ignore_errors=True)
    with _new_parents(partial):
        partial.mkdir()
        try:
            yield partial
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    if folder.exists():
        folder.rename(replaced)
    partial.rename(folder)
    _move_others(replaced, folder, own)
    shutil.rmtree(replaced, ignore_errors=True)


def recover(folder: Path) -> None:
    """Undo a replacement that was killed between its two renames."""
    replaced = _beside(folder, "replaced")
    if not folder.exists() and replaced.exists():
        replaced.rename(folder)


def _move_others(replaced: Path, folder: Path, own: Collection[str] | None) -> None:
    """Move the user's files from the replaced folder to the new one."""
    if own is None or not replaced.exists():
        return
    for other in [path for path in replaced.iterdir() if path.name not in own]:
        if not (folder / other.name).exists():
            other.rename(folder / other.name)


def _beside(folder: Path, state: str) -> Path:
    # a hidden name, because people give names such as "model.old" to folders that they want to keep
    return folder.with_name(f".{folder.name}.{state}")
