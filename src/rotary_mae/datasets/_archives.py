"""Original files of public data sets: found under ROMAE_DATA, in the user's cache or on the network, and unpacked."""

from __future__ import annotations

import gzip
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pooch

from rotary_mae._atomic import user_path

DATA_VARIABLE = "ROMAE_DATA"
"""Environment variable with the path of a folder that has one sub-folder a data set."""


@dataclass(frozen=True)
class RemoteFile:
    """One original file of a data set.

    Attributes
    ----------
    folder : str
        Sub-folder of ``$ROMAE_DATA``.
    name : str
        File name, there and in the cache.
    url : str
        Canonical address.
    checksum : str or None
        ``sha256:...`` or ``md5:...`` of the canonical bytes; None if none is recorded.
    repacked : tuple of str
        Other names of the same content under ``$ROMAE_DATA``.
    """

    folder: str
    name: str
    url: str
    checksum: str | None = None
    repacked: tuple[str, ...] = ()


def fetch(file: RemoteFile) -> Path:
    """Return the path of a file on this machine; the first use downloads it into the user's cache.

    A file under ``$ROMAE_DATA`` takes precedence and is not checked, because it may be repacked. A download is compared
    with the recorded checksum.

    Raises
    ------
    FileNotFoundError
        If the file is neither on this machine nor available from its address.
    ValueError
        If the download has another checksum.
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
    """Return the path of a file under ``$ROMAE_DATA``, or None."""
    root = os.environ.get(DATA_VARIABLE)
    if not root:
        return None
    candidates = (user_path(root) / file.folder / name for name in (file.name, *file.repacked))
    return next((path for path in candidates if path.is_file()), None)


def damaged_archive(path: Path, error: Exception) -> ValueError:
    """Return the error to raise for an archive that cannot be read."""
    return ValueError(f"{path} is damaged ({error}); delete it, so that it is downloaded again")


# -- tar ----------------------------------------------------------------------------------------------------


def tar_files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Iterate over the files of a .tar.gz or .tar.xz archive in its order: base name and content.

    Raises ValueError if the archive is damaged or incomplete.
    """
    uncompress = lzma.open if path.suffix == ".xz" else gzip.open
    try:
        # A stream is read once from front to back, where random access would decompress again for every file. The
        # decompression of tarfile itself takes the end of a truncated file for the end of the archive.
        with uncompress(path) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content is not None:
                    yield PurePosixPath(member.name).name, content.read()
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise damaged_archive(path, error) from error


# -- zip ----------------------------------------------------------------------------------------------------


def zip_names(archive: Path) -> list[str]:
    """Return the names of the files in an archive, in its order; raises ValueError if it is damaged."""
    try:
        with zipfile.ZipFile(archive) as opened:
            return [name for name in opened.namelist() if not name.endswith("/")]
    except zipfile.BadZipFile as error:
        raise damaged_archive(archive, error) from error


def one_name(names: Sequence[str], ending: str, archive: Path) -> str:
    """Return the only name with this ending; archives of one data set differ in their outermost folder."""
    found = [name for name in names if f"/{name}".endswith(f"/{ending}")]
    if len(found) != 1:
        raise ValueError(f"{archive} should hold one file {ending}, it holds {len(found)}; is it another archive?")
    return found[0]


class ZippedFiles(Sequence[bytes]):
    """Contents of files in an archive, by their index in ``names``; each process opens the archive for itself."""

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
        """Return the content of the file of this name."""
        # forked processes would share one position in the file
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = (os.getpid(), zipfile.ZipFile(self.archive))
        try:
            return self._opened[1].read(name)
        except (zipfile.BadZipFile, zlib.error) as error:
            raise damaged_archive(self.archive, error) from error

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}
