"""Where the original files of a public set come from: ROMAE_DATA, else the user's cache, else the network."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pooch

from rotary_mae.datasets._measurement_tables import damaged

DATA_VARIABLE = "ROMAE_DATA"
"""Environment variable that names a folder with one sub-folder a data set."""


@dataclass(frozen=True)
class RemoteFile:
    """One original file: where it may lie already and where it is to be had.

    folder: sub-folder of ``$ROMAE_DATA``. name: file name, there and in the cache. url: canonical address.
    checksum: ``sha256:...`` or ``md5:...`` of the canonical bytes, None where none is recorded.
    repacked: other names that the same content may have under ``$ROMAE_DATA``.
    """

    folder: str
    name: str
    url: str
    checksum: str | None = None
    repacked: tuple[str, ...] = ()


def fetch(file: RemoteFile) -> Path:
    """Path of the file on this machine, downloaded into the user's cache at the first use.

    A file under ``$ROMAE_DATA`` wins and is taken as it is (it may be repacked); a download is checked
    against the recorded checksum. Raises FileNotFoundError with the address and the two ways out when the
    file is neither here nor to be had, ValueError when what was downloaded has another checksum.
    """
    if (local := find_local(file)) is not None:
        return local
    folder = pooch.os_cache("rotary-mae") / file.folder
    try:
        return Path(pooch.retrieve(file.url, file.checksum, fname=file.name, path=folder))
    except OSError as error:  # requests' own errors are OSErrors too
        raise FileNotFoundError(
            f"{file.folder}/{file.name} is not on this machine and could not be downloaded from {file.url} "
            f"({type(error).__name__}: {error}). Connect to the network, or get the file elsewhere, put it "
            f"at <folder>/{file.folder}/{file.name} and set {DATA_VARIABLE}=<folder> (now: "
            f"{os.environ.get(DATA_VARIABLE) or 'not set'})"
        ) from error


def find_local(file: RemoteFile) -> Path | None:
    """Path of the file under ``$ROMAE_DATA``, or None."""
    root = os.environ.get(DATA_VARIABLE)
    if not root:
        return None
    candidates = (Path(root) / file.folder / name for name in (file.name, *file.repacked))
    return next((path for path in candidates if path.is_file()), None)


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
