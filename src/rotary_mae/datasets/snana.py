"""Light curves in FITS files of SNANA, such as ELAsTiCC: a HEAD table of objects, a PHOT table of observations."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae._atomic import user_path
from rotary_mae.data.indexing import token_indices
from rotary_mae.data.schema import Schema
from rotary_mae.data.tokens import TokenSet
from rotary_mae.datasets._archives import DATA_VARIABLE
from rotary_mae.datasets._measurement_tables import Rows

BANDS = ("u", "g", "r", "i", "z", "Y")

ADDRESS = "https://portal.nersc.gov/cfs/lsst/DESC_TD_PUBLIC/ELASTICC/TRAINING_SAMPLES/FULL_ELASTICC_TRAIN.tar"

FOLDER = "elasticc"

SATURATED, TRIGGER, DETECTED = 1024, 2048, 4096
"""Bits of PHOTFLAG (SNANA manual, section on simulated triggers). TRIGGER is the detection that makes an alert."""

DAYS_BEFORE_TRIGGER = 30.0
"""Days of forced photometry that a broker receives from before the first alert."""


def load_elasticc(*, alerts_only: bool = False, n_per_class: int | None = None) -> TokenSet:
    """Load the training sample of ELAsTiCC (Narayan et al. 2023): 1.8 million simulated light curves of LSST.

    A token is a measurement: values (flux, error, both FLUXCAL), positions (MJD in days, index of the band in u, g, r,
    i, z, Y), by time and then band. All are read into memory, at about 25 bytes a measurement.

    Parameters
    ----------
    alerts_only : bool, default False
        Only measurements that a broker would receive; see ``read_snana``.
    n_per_class : int, optional
        Number of objects of each class, in the order of the files; None for all.

    Returns
    -------
    TokenSet
        The light curves; ids are SNID, targets the classes, from the names of the folders.

    Raises
    ------
    FileNotFoundError
        If ``$ROMAE_DATA/elasticc`` has no unpacked folders ELASTICC_TRAIN_<class>.
    ImportError
        If astropy is not installed (extra ``fits``).
    """
    root = user_path(os.environ.get(DATA_VARIABLE) or ".") / FOLDER
    folders = sorted(path for path in root.glob("ELASTICC_TRAIN_*") if path.is_dir())
    if not folders:
        raise FileNotFoundError(
            f"{root} holds no folders ELASTICC_TRAIN_<class>; unpack {ADDRESS} there, and set {DATA_VARIABLE} to the "
            f"folder that has {FOLDER}/ (now: {os.environ.get(DATA_VARIABLE) or 'not set'})"
        )
    parts = []
    for folder in folders:
        name = folder.name.removeprefix("ELASTICC_TRAIN_")
        tokens = read_snana(sorted(folder.glob("*_HEAD.FITS*")), alerts_only=alerts_only, n=n_per_class)
        parts.append(tokens.with_targets(np.full(len(tokens), name)))
    return TokenSet.concatenate(parts)


def read_snana(
    heads: Path | Sequence[Path], *, bands: Sequence[str] = BANDS, alerts_only: bool = False, n: int | None = None
) -> TokenSet:
    """Read light curves of ``..._HEAD.FITS`` (or .FITS.gz) files and of the ``..._PHOT.FITS`` file beside each.

    A token is a measurement with an error above 0; see ``load_elasticc``. Objects without measurements are left out.

    Parameters
    ----------
    heads : Path or sequence of Path
        HEAD files.
    bands : sequence of str, default ("u", "g", "r", "i", "z", "Y")
        Last letters of the filters, in the order of the channels.
    alerts_only : bool, default False
        Only measurements that a broker would receive: from 30 days before the first alert to the last detection,
        without saturated ones.
    n : int, optional
        Number of objects, in the order of the files; None for all.

    Returns
    -------
    TokenSet
        The light curves; ids are SNID, targets SNTYPE.

    Raises
    ------
    ValueError
        If a band is unknown, or files do not belong together.
    """
    parts: list[TokenSet] = []
    for head in [heads] if isinstance(heads, Path) else heads:
        left = None if n is None else n - sum(map(len, parts))
        if left == 0:
            break
        if (part := _read_pair(head, tuple(bands), alerts_only, left)) is not None:
            parts.append(part)
    if not parts:
        raise ValueError(f"no light curves in {heads}; expected files named ..._HEAD.FITS or ..._HEAD.FITS.gz")
    return TokenSet.concatenate(parts)


def _read_pair(head: Path, bands: tuple[str, ...], alerts_only: bool, n: int | None) -> TokenSet | None:
    objects = _table(head, ("SNID", "PTROBS_MIN", "PTROBS_MAX", "SNTYPE"))
    observations = _table(head.with_name(head.name.replace("_HEAD.", "_PHOT.")), ("MJD", "FLUXCAL", "FLUXCALERR"))
    # row numbers start at 1, and an end marker, which belongs to no object, follows the last row of each object
    first, last = objects["PTROBS_MIN"].astype(np.int64)[:n] - 1, objects["PTROBS_MAX"].astype(np.int64)[:n]
    if len(first) and (first.min() < 0 or last.max() > len(observations["MJD"])):
        raise ValueError(f"{head} points at row {last.max()} of a PHOT table of {len(observations['MJD'])} rows")
    index = token_indices(first, last - first)
    sample = np.repeat(np.arange(len(first)), last - first)
    times, flux, error = (observations[name][index].astype(np.float64) for name in ("MJD", "FLUXCAL", "FLUXCALERR"))
    is_kept = np.isfinite(flux) & (error > 0)
    if alerts_only:
        if "PHOTFLAG" not in observations:
            raise ValueError(f"{head}: alerts_only needs the column PHOTFLAG, which the PHOT table lacks")
        is_kept &= _is_in_alert(sample, times, observations["PHOTFLAG"][index].astype(np.int64), len(first))
    channel = _channels(observations, index, bands, head)
    rows = Rows(sample, times, channel, np.stack([flux, error], axis=1)).select(is_kept)
    has_measurements = np.bincount(rows.sample_idx, minlength=len(first)) > 0
    if not has_measurements.any():
        return None
    renumbered = (np.cumsum(has_measurements) - 1)[rows.sample_idx]
    return Rows(renumbered, rows.times, rows.channel_idx, rows.values).to_tokens(
        Schema(("time", "channel"), bands, ("value", "error")),
        np.array([str(name).strip() for name in objects["SNID"][:n]])[has_measurements],
        objects["SNTYPE"].astype(np.int64)[:n][has_measurements],
        order=rows.channel_idx,
    )


def _table(path: Path, needed: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Columns of the first table of a FITS file."""
    try:
        from astropy.io import fits
    except ImportError as error:
        raise ImportError("FITS files are read with astropy: pip install 'rotary-mae[fits]'") from error
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; HEAD and PHOT files must be in one folder")
    with fits.open(path, memmap=False) as opened:
        data = opened[1].data
        columns = {name: np.asarray(data[name]) for name in data.names}
    if missing := [name for name in needed if name not in columns]:
        raise ValueError(f"{path} has no columns {missing}; it has {', '.join(columns)}")
    return columns


def _channels(
    observations: dict[str, npt.NDArray[Any]], index: npt.NDArray[np.int64], bands: tuple[str, ...], head: Path
) -> npt.NDArray[np.int64]:
    """Index (rows,) of the band, from column BAND or, in older files, FLT; "LSST-g" is g."""
    name = next((name for name in ("BAND", "FLT") if name in observations), None)
    if name is None:
        raise ValueError(f"the PHOT table of {head} has neither a column BAND nor FLT")
    words, inverse = np.unique(observations[name][index].astype(str), return_inverse=True)
    letters = [word.strip()[-1:] for word in words.tolist()]
    if unknown := sorted(set(letters) - set(bands)):
        raise ValueError(f"{head} has filters {unknown}, which are none of {bands}; name them in bands=")
    return np.array([bands.index(letter) for letter in letters], np.int64)[inverse]


def _is_in_alert(
    sample: npt.NDArray[np.int64], times: npt.NDArray[np.float64], flags: npt.NDArray[np.int64], n: int
) -> npt.NDArray[np.bool_]:
    """True (rows,) from 30 days before the first alert of an object to its last detection, except if saturated."""
    first_alert, last_detection = np.full(n, np.inf), np.full(n, -np.inf)
    is_trigger, is_detection = flags & TRIGGER > 0, flags & (TRIGGER | DETECTED) > 0
    np.minimum.at(first_alert, sample[is_trigger], times[is_trigger])
    np.maximum.at(last_detection, sample[is_detection], times[is_detection])
    is_in_time = (times >= first_alert[sample] - DAYS_BEFORE_TRIGGER) & (times <= last_detection[sample])
    return is_in_time & (flags & SATURATED == 0)
