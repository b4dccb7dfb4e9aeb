"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path


class replacing_folder:
    """Write a folder beside ``folder`` and put it in its place at the end, or leave everything as it was.

    own: names of what it replaces; anything else in ``folder`` is the user's, and stays. None: it replaces all.
    """

    def __init__(self, folder: Path, own: Collection[str] | None = None) -> None:
        self.folder, self.own = folder, own
        self.partial, self.old = _beside(folder, "partial"), _beside(folder, "replaced")

    def __enter__(self) -> Path:
        if self.folder.is_file():
            raise FileExistsError(f"{self.folder} is a file, and this is saved as a folder; choose another name")
        recover(self.folder)
        self._keep_others()  # of a replacement that was killed before it did
        # what a killed replacement left behind would stand in the way of the renames
        shutil.rmtree(self.partial, ignore_errors=True)
        shutil.rmtree(self.old, ignore_errors=True)
        self.partial.mkdir(parents=True)
        return self.partial

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        if failed is not None:
            shutil.rmtree(self.partial, ignore_errors=True)
            return
        if self.folder.exists():
            self.folder.rename(self.old)
        self.partial.rename(self.folder)
        self._keep_others()
        shutil.rmtree(self.old, ignore_errors=True)

    def _keep_others(self) -> None:
        if self.own is None or not self.old.exists():
            return
        for other in [path for path in self.old.iterdir() if path.name not in self.own]:
            if not (self.folder / other.name).exists():
                other.rename(self.folder / other.name)


def _beside(folder: Path, state: str) -> Path:
    # "model.old" would be a name that people give to what they want to keep
    return folder.with_name(f".{folder.name}.{state}")


def recover(folder: Path) -> None:
    """Undo a replacement that was killed between its two renames."""
    old = _beside(folder, "replaced")
    if not folder.exists() and old.exists():
        old.rename(folder)


@contextmanager
def replacing_file(path: Path) -> Iterator[Path]:
    """A path to write to that takes the place of ``path`` if all goes well, and vanishes if not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
