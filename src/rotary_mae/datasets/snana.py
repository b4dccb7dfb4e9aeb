"""SNANA's FITS files of light curves, as of ELAsTiCC: a HEAD table of objects, a PHOT table of observations."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae.data.indexing import token_indices
from rotary_mae.data.schema import Schema
from rotary_mae.data.tokens import TokenSet
from rotary_mae.datasets._archives import DATA_VARIABLE
from rotary_mae.datasets._measurement_tables import Rows

BANDS = ("u", "g", "r", "i", "z", "Y")

ADDRESS = "https://portal.nersc.gov/cfs/lsst/DESC_TD_PUBLIC/ELASTICC/TRAINING_SAMPLES/FULL_ELASTICC_TRAIN.tar"

FOLDER = "elasticc"

# bits of PHOTFLAG (SNANA manual, section on simulated triggers): saturated, first detection that triggers, detected
SATURATED, TRIGGER, DETECTED = 1024, 2048, 4096

DAYS_BEFORE_TRIGGER = 30.0


def load_elasticc(*, alerts_only: bool = False, n_per_class: int | None = None) -> TokenSet:
    """Training sample of ELAsTiCC (Narayan et al. 2023), 1.8 million simulated light curves of LSST, unpacked.

    A token a measurement: values (flux, its error, both FLUXCAL), positions (MJD in days, index in u, g, r, i, z, Y),
    by time and then band. ids: SNID; targets: the class, which is the name of the folder. All are read into memory
    (about 25 bytes a measurement). alerts_only: see ``read_snana``. n_per_class: the first so many of each class.
    Raises FileNotFoundError where ``$ROMAE_DATA/elasticc`` has no folders ELASTICC_TRAIN_<class>, ImportError without
    astropy (extra ``fits``).
    """
    root = Path(os.environ.get(DATA_VARIABLE) or ".") / FOLDER
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
    """Light curves of ``..._HEAD.FITS`` (or .FITS.gz) files and the ``..._PHOT.FITS`` beside each.

    A token a measurement with an error above 0, see ``load_elasticc``; targets: SNTYPE. bands: last letters of the
    filters, in the order of the channels. alerts_only: what a broker would have seen: from 30 days before the first
    detection that makes an alert up to the last detection, without saturated ones. Objects without measurements are
    left out. n: the first so many objects.
    Raises ValueError for a band that is not named, and for files that do not belong together.
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
    seen = _table(head.with_name(head.name.replace("_HEAD.", "_PHOT.")), ("MJD", "FLUXCAL", "FLUXCALERR"))
    # rows are counted from 1, and rows that end an object belong to none
    first, last = objects["PTROBS_MIN"].astype(np.int64)[:n] - 1, objects["PTROBS_MAX"].astype(np.int64)[:n]
    if len(first) and (first.min() < 0 or last.max() > len(seen["MJD"])):
        raise ValueError(f"{head} points at row {last.max()} of a PHOT table of {len(seen['MJD'])} rows")
    index = token_indices(first, last - first)
    sample = np.repeat(np.arange(len(first)), last - first)
    flux, error = seen["FLUXCAL"][index].astype(np.float64), seen["FLUXCALERR"][index].astype(np.float64)
    times = seen["MJD"][index].astype(np.float64)
    is_kept = np.isfinite(flux) & (error > 0)
    if alerts_only:
        if "PHOTFLAG" not in seen:
            raise ValueError(f"{head}: alerts are told by PHOTFLAG, which the PHOT table lacks")
        is_kept &= _is_in_alert(sample, times, seen["PHOTFLAG"][index].astype(np.int64), len(first))
    rows = Rows(sample, times, _channels(seen, index, bands, head), np.stack([flux, error], axis=1)).select(is_kept)
    has_any = np.bincount(rows.sample_idx, minlength=len(first)) > 0
    if not has_any.any():
        return None
    renumbered = (np.cumsum(has_any) - 1)[rows.sample_idx]
    return Rows(renumbered, rows.times, rows.channel_idx, rows.values).to_tokens(
        Schema(("time", "channel"), bands, ("value", "error")),
        np.array([str(name).strip() for name in objects["SNID"][:n]])[has_any],
        objects["SNTYPE"].astype(np.int64)[:n][has_any],
        order=rows.channel_idx,
    )


def _table(path: Path, needed: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Columns of the first table of a FITS file."""
    try:
        from astropy.io import fits
    except ImportError as error:
        raise ImportError("FITS files are read with astropy: pip install 'rotary-mae[fits]'") from error
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; HEAD and PHOT files lie beside each other")
    with fits.open(path, memmap=False) as opened:
        data = opened[1].data
        columns = {name: np.asarray(data[name]) for name in data.names}
    if missing := [name for name in needed if name not in columns]:
        raise ValueError(f"{path} has no columns {missing}; it has {', '.join(columns)}")
    return columns


def _channels(
    seen: dict[str, npt.NDArray[Any]], index: npt.NDArray[np.int64], bands: tuple[str, ...], head: Path
) -> npt.NDArray[np.int64]:
    """(rows,) index of the band, which newer files call BAND and older ones FLT; "LSST-g" is g."""
    name = next((name for name in ("BAND", "FLT") if name in seen), None)
    if name is None:
        raise ValueError(f"the PHOT table of {head} has neither a column BAND nor FLT")
    words, place = np.unique(seen[name][index].astype(str), return_inverse=True)
    letters = [word.strip()[-1:] for word in words.tolist()]
    if unknown := sorted(set(letters) - set(bands)):
        raise ValueError(f"{head} has filters {unknown}, which are none of {bands}; name them in bands=")
    return np.array([bands.index(letter) for letter in letters], np.int64)[place]


def _is_in_alert(
    sample: npt.NDArray[np.int64], times: npt.NDArray[np.float64], flags: npt.NDArray[np.int64], n: int
) -> npt.NDArray[np.bool_]:
    def of_each(is_meant: npt.NDArray[np.bool_], pick: Callable[..., None], empty: float) -> npt.NDArray[np.float64]:
        found = np.full(n, empty)
        pick(found, sample[is_meant], times[is_meant])
        return found[sample]

    begins = of_each(flags & TRIGGER > 0, np.minimum.at, np.inf) - DAYS_BEFORE_TRIGGER
    ends = of_each(flags & (TRIGGER | DETECTED) > 0, np.maximum.at, -np.inf)
    return (times >= begins) & (times <= ends) & (flags & SATURATED == 0)
