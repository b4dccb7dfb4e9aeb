"""Files inside a zip archive, read one by one when they are asked for."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rotary_mae.datasets.originals import damaged


def zip_names(archive: Path) -> list[str]:
    """The names of the files in an archive, in its order; raises ValueError where it is damaged."""
    try:
        with zipfile.ZipFile(archive) as opened:
            return [name for name in opened.namelist() if not name.endswith("/")]
    except zipfile.BadZipFile as error:
        raise damaged(archive, error) from error


def one_name(names: Sequence[str], ending: str, archive: Path) -> str:
    """The one name that ends so; archives of a set differ in the folder that all of it lies in."""
    found = [name for name in names if f"/{name}".endswith(f"/{ending}")]
    if len(found) != 1:
        raise ValueError(f"{archive} should hold one file {ending}, it holds {len(found)}; is it another archive?")
    return found[0]


class ZippedFiles(Sequence[bytes]):
    """The content of files in an archive, by their place in ``names``; processes each open it for themselves."""

    def __init__(self, archive: Path, names: Sequence[str]) -> None:
        self.archive, self.names = archive, list(names)
        self._opened: tuple[int, zipfile.ZipFile] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        return self.read(self.names[index])

    def read(self, name: str) -> bytes:
        """The content of the file of this name."""
        # a fork would share the place in the file that the other process reads at
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = (os.getpid(), zipfile.ZipFile(self.archive))
        try:
            return self._opened[1].read(name)
        except (zipfile.BadZipFile, zlib.error) as error:
            raise damaged(self.archive, error) from error

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}
