"""Where the original files of a public set come from: ROMAE_DATA, else the user's cache, else the network."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pooch

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
