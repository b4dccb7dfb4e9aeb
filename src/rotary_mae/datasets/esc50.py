"""ESC-50 and its subset ESC-10: environmental audio clips of five seconds in five folds."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from rotary_mae.data.audio import LazyAudio
from rotary_mae.datasets._archives import RemoteFile, ZippedFiles, fetch, find_local, one_name, zip_names

FOLDS = (1, 2, 3, 4, 5)

ESC50 = RemoteFile("esc50", "ESC-50-master.zip", "https://github.com/karoldvl/ESC-50/archive/master.zip")

ESC10 = RemoteFile("esc10", "ESC-10.zip", ESC50.url, repacked=("ESC-10-16k.zip",))
"""The subset alone, if it is under ROMAE_DATA."""


def load_esc50(folds: Collection[int] = FOLDS, *, patch: tuple[int, int] = (16, 16)) -> LazyAudio:
    """Open ESC-50 (Piczak 2015, doi 10.1145/2733373.2806390): 2000 clips of 50 classes, 400 a fold.

    Tokens are patches of log-mel spectrograms (see ``from_audio``), decoded when they are indexed.

    Parameters
    ----------
    folds : collection of int, default (1, 2, 3, 4, 5)
        Folds to take. Published results hold out each fold in turn.
    patch : (frames, bands), default (16, 16)
        Size of a patch.

    Returns
    -------
    LazyAudio
        The clips; ids are file names, targets names of classes.

    Raises
    ------
    FileNotFoundError
        If the archive is neither on this machine nor available from its address.
    ImportError
        If soundfile is not installed (extra ``audio``).
    """
    return read_esc50(fetch(ESC50), folds, patch=patch)


def load_esc10(folds: Collection[int] = FOLDS, *, patch: tuple[int, int] = (16, 16)) -> LazyAudio:
    """Open ESC-10: the 400 clips of the 10 classes of ESC-50 that are easiest to distinguish.

    Tokens are patches of log-mel spectrograms (see ``from_audio``), decoded when they are indexed.

    Parameters
    ----------
    folds : collection of int, default (1, 2, 3, 4, 5)
        Folds to take. Published results hold out each fold in turn.
    patch : (frames, bands), default (16, 16)
        Size of a patch.

    Returns
    -------
    LazyAudio
        The clips; ids are file names, targets names of classes.

    Raises
    ------
    FileNotFoundError
        If the archive is neither on this machine nor available from its address.
    ImportError
        If soundfile is not installed (extra ``audio``).
    """
    return read_esc50(find_local(ESC10) or fetch(ESC50), folds, patch=patch, is_esc10=True)


def read_esc50(
    archive: Path, folds: Collection[int] = FOLDS, *, patch: tuple[int, int] = (16, 16), is_esc10: bool = False
) -> LazyAudio:
    """Open the clips of an archive with ``audio/`` and ``meta/esc50.csv``; see ``load_esc50``."""
    if not folds or not set(folds) <= set(FOLDS):
        raise ValueError(f"folds must be some of {FOLDS}, got {tuple(folds)}")
    names = zip_names(archive)
    listing = one_name(names, "meta/esc50.csv", archive)
    table = csv.read_csv(pa.BufferReader(ZippedFiles(archive, [listing])[0]))
    is_chosen = np.isin(table["fold"].to_numpy(), list(folds))
    if is_esc10:
        is_chosen &= np.asarray(table["esc10"].to_pylist(), bool)
    files = np.array(table["filename"].to_pylist())[is_chosen]
    folder = listing.removesuffix("meta/esc50.csv") + "audio/"
    if missing := sorted({folder + file for file in files} - set(names)):
        raise ValueError(f"{archive} lists {len(missing)} files that it does not hold, first {missing[0]}")
    return LazyAudio(
        ZippedFiles(archive, [folder + file for file in files]),
        patch=patch,
        targets=np.array(table["category"].to_pylist())[is_chosen],
        ids=files,
    )
