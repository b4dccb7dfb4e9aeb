"""ESC-50 and its part ESC-10: sounds of the environment, five seconds each, in five folds."""

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
"""The part alone, where somebody packed it."""


def load_esc50(folds: Collection[int] = FOLDS, *, patch: tuple[int, int] = (16, 16)) -> LazyAudio:
    """ESC-50 (Piczak 2015, doi 10.1145/2733373.2806390): 2000 clips of 50 classes, 400 a fold.

    Patches of log-mel spectrograms (see ``from_audio``), decoded when asked for. ids: file names; targets:
    names of the classes. folds: those wanted, of 1 to 5; results are given for each fold held out in turn.
    Raises FileNotFoundError when the archive is neither here nor to be had (see ``download.fetch``),
    ImportError without soundfile (extra ``audio``).
    """
    return read_esc50(fetch(ESC50), folds, patch=patch)


def load_esc10(folds: Collection[int] = FOLDS, *, patch: tuple[int, int] = (16, 16)) -> LazyAudio:
    """ESC-10, the 400 clips of 10 classes of ESC-50 that are told apart most easily; see ``load_esc50``."""
    return read_esc50(find_local(ESC10) or fetch(ESC50), folds, patch=patch, is_esc10=True)


def read_esc50(
    archive: Path, folds: Collection[int] = FOLDS, *, patch: tuple[int, int] = (16, 16), is_esc10: bool = False
) -> LazyAudio:
    """The clips of an archive with ``audio/`` and ``meta/esc50.csv``; see ``load_esc50``."""
    if not folds or not set(folds) <= set(FOLDS):
        raise ValueError(f"folds must be some of {FOLDS}, got {tuple(folds)}")
    names = zip_names(archive)
    listing = one_name(names, "meta/esc50.csv", archive)
    table = csv.read_csv(pa.BufferReader(ZippedFiles(archive, [listing])[0]))
    is_wanted = np.isin(table["fold"].to_numpy(), list(folds))
    if is_esc10:
        is_wanted &= np.asarray(table["esc10"].to_pylist(), bool)
    files = np.array(table["filename"].to_pylist())[is_wanted]
    folder = listing.removesuffix("meta/esc50.csv") + "audio/"
    if missing := sorted({folder + file for file in files} - set(names)):
        raise ValueError(f"{archive} lists {len(missing)} files that it does not hold, first {missing[0]}")
    return LazyAudio(
        ZippedFiles(archive, [folder + file for file in files]),
        patch=patch,
        targets=np.array(table["category"].to_pylist())[is_wanted],
        ids=files,
    )
