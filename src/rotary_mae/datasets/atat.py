"""ELAsTiCC in the form of the ATAT code: one HDF5 file of padded light curves with folds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from rotary_mae._atomic import user_path
from rotary_mae.data.indexing import sample_indices
from rotary_mae.data.schema import Schema
from rotary_mae.data.tokens import TokenSet
from rotary_mae.datasets._archives import DATA_VARIABLE
from rotary_mae.datasets._measurement_tables import Rows
from rotary_mae.datasets.snana import BANDS

FILE = Path("elasticc") / "elasticc_final.h5"

ROWS_PER_READ = 4096
"""Light curves whose masks are read at once to count their measurements. Not tuned."""


def load_atat(part: str | None = None, *, alerts_only: bool = False) -> AtatLightCurves:
    """Open ELAsTiCC light curves in the file that the code of ATAT makes (Cabrera-Vives et al. 2024, arXiv 2405.03078).

    The file is ``$ROMAE_DATA/elasticc/elasticc_final.h5``.

    Parameters
    ----------
    part : str, optional
        Data set of the file with row numbers, such as "training_0"; None for all rows.
    alerts_only : bool, default False
        Only measurements that a broker would receive.

    Returns
    -------
    AtatLightCurves
        A source that reads light curves when they are indexed.

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    ValueError
        If the file lacks a data set.
    ImportError
        If h5py is not installed (extra ``hdf5``).
    """
    path = user_path(os.environ.get(DATA_VARIABLE) or ".") / FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing; it is made of ELAsTiCC by get_data.py of https://github.com/alercebroker/ATAT. Put it "
            f"there, or set {DATA_VARIABLE} to the folder that has {FILE} (now: "
            f"{os.environ.get(DATA_VARIABLE) or 'not set'})"
        )
    return AtatLightCurves(path, part, alerts_only=alerts_only)


class AtatLightCurves:
    """Light curves of an ATAT file that are read when they are indexed: a Source.

    A token is a measurement: values (flux, error), positions (days, index of the band in u, g, r, i, z, Y), by time and
    then band. Light curves without measurements are left out.

    The data sets of the file are ``data`` and ``data-var`` (n, steps, bands), the flux and, despite its name, its
    error; ``time`` in days, ``mask`` and ``mask_alert`` of the same shape, above 0 where there is a measurement;
    ``labels`` (n,); and, with row numbers, ``training_<fold>``, ``validation_<fold>`` and ``test``.

    Parameters
    ----------
    path : Path
        The file.
    part : str, optional
        Data set with row numbers, such as "training_0"; None for all rows.
    alerts_only : bool, default False
        Use ``mask_alert``, the measurements that a broker would receive, instead of ``mask``.

    Attributes
    ----------
    schema : Schema
        Meaning of the columns.
    ids : array of shape (B,)
        SNID if the file has it, else row numbers.
    targets, lengths : int arrays of shape (B,)
        Labels, and numbers of tokens.
    is_on_disk : bool
        Always False.

    Raises
    ------
    ValueError
        If data sets are missing or do not fit together; the message lists those that are there.
    ImportError
        If h5py is not installed (extra ``hdf5``).
    """

    is_on_disk: ClassVar[bool] = False

    def __init__(self, path: Path, part: str | None = None, *, alerts_only: bool = False) -> None:
        self.path, self._mask = path, "mask_alert" if alerts_only else "mask"
        self._opened: tuple[int, Any] | None = None
        file = self._file()
        needed = ["data", "data-var", "time", self._mask, "labels", *([part] if part else [])]
        if missing := [name for name in needed if name not in file]:
            raise ValueError(f"{path} has no datasets {missing}; it has {', '.join(sorted(file))}")
        shape = file["data"].shape
        if len(shape) != 3 or shape[2] != len(BANDS):
            raise ValueError(f"{path}: data must be (light curves, steps, {len(BANDS)} bands), got {shape}")
        rows = np.arange(shape[0]) if part is None else np.asarray(file[part][()], np.int64)
        if len(rows) and not 0 <= rows.min() <= rows.max() < shape[0]:
            raise ValueError(f"{path}: {part} names rows {rows.min()}..{rows.max()} of {shape[0]}")
        lengths = self._count_measurements()[rows]
        self._rows, self.lengths = rows[lengths > 0], lengths[lengths > 0]
        self.targets = file["labels"][()][self._rows].astype(np.int64)
        self.ids = file["SNID"][()][self._rows] if "SNID" in file else self._rows
        self.schema = Schema(("time", "channel"), BANDS, ("value", "error"))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> TokenSet:
        chosen = sample_indices(index, len(self))
        is_observed = self._read(self._mask, chosen) > 0
        sample, _, channel = np.nonzero(is_observed)
        columns = [self._read(name, chosen)[is_observed].astype(np.float64) for name in ("time", "data", "data-var")]
        rows = Rows(sample, columns[0], channel, np.stack(columns[1:], axis=1))
        return rows.to_tokens(self.schema, self.ids[chosen], self.targets[chosen], order=channel)

    def _read(self, name: str, chosen: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        # HDF5 reads rows in increasing order, each once
        rows, inverse = np.unique(self._rows[chosen], return_inverse=True)
        read: npt.NDArray[Any] = self._file()[name][rows]
        return read[inverse]

    def _count_measurements(self) -> npt.NDArray[np.int64]:
        mask = self._file()[self._mask]
        starts = range(0, mask.shape[0], ROWS_PER_READ)
        counts = [(mask[first : first + ROWS_PER_READ] > 0).sum((1, 2)) for first in starts]
        return np.concatenate([np.empty(0, np.int64), *counts])

    def _file(self) -> Any:
        try:
            import h5py
        except ImportError as error:
            raise ImportError("HDF5 files are read with h5py: pip install 'rotary-mae[hdf5]'") from error
        # forked processes would share one position in the file
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = (os.getpid(), h5py.File(self.path, "r"))
        return self._opened[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}
