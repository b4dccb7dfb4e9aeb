"""PhysioNet / Computing in Cardiology challenge 2012: the first 48 hours of ICU stays."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rotary_mae.data.schema import Schema
from rotary_mae.data.tokens import TokenSet
from rotary_mae.datasets._archives import RemoteFile, fetch, tar_files
from rotary_mae.datasets._measurement_tables import Rows, map_words, parse_table, parse_tables

STATICS = ("Age", "Gender", "Height", "ICUType")
"""Descriptors of a stay that are given once. The fifth, Weight, is measured again later and counts as a series."""

# fmt: off
SERIES = (
    "ALP", "ALT", "AST", "Albumin", "BUN", "Bilirubin", "Cholesterol", "Creatinine", "DiasABP", "FiO2",
    "GCS", "Glucose", "HCO3", "HCT", "HR", "K", "Lactate", "MAP", "MechVent", "Mg", "NIDiasABP", "NIMAP",
    "NISysABP", "Na", "PaCO2", "PaO2", "Platelets", "RespRate", "SaO2", "SysABP", "Temp", "TroponinI",
    "TroponinT", "Urine", "WBC", "Weight", "pH",
)
# fmt: on
"""All variables of the challenge that are measured over time, sorted."""

_ADDRESS = "https://www.physionet.org/files/challenge-2012/1.0.0/"

_CHECKSUMS = {
    "a": "sha256:8cb250f179cd0952b4b9ebcf8954b63d70383131670fac1cfee13deaa13ca920",
    "b": "sha256:b1637a2a423a8e76f8f087896cfc5fdf28f88519e1f4e874fbda69b2a64dac30",
}

_COLUMNS = {
    "time": pa.dictionary(pa.int32(), pa.string()),
    "variable": pa.dictionary(pa.int32(), pa.string()),
    "value": pa.float64(),
}

_MISSING = -1.0
"""Value of a missing descriptor in the files."""

_RECORD, _SKIPPED = -1, -2
"""Indices of the variable RecordID and of variables that are not read."""


def load_physionet2012(
    sets: Sequence[str] = ("a", "b"), *, statics: Sequence[str] = STATICS, as_channels: bool = False
) -> TokenSet:
    """Load ICU stays with in-hospital death (Silva et al. 2012, PhysioNet/CinC challenge).

    A token is a measurement: value in the variable's own unit, positions (minute 0 to 2880 since admission, index of
    the variable). Tokens are sorted by minute and otherwise in the order of the file. Duplicates are kept.

    The files write -1 for a missing descriptor (Gender, Height, Weight), which becomes no token. The other negative
    values are 41 temperatures from -12.5 to -17.8 degrees, most of them 0 degrees Fahrenheit; they are kept.

    Parameters
    ----------
    sets : sequence of str, default ("a", "b")
        Sets of 4000 stays each. 3 stays of set a and 7 of set b have only descriptors and are left out.
    statics : sequence of str, default ("Age", "Gender", "Height", "ICUType")
        Descriptors to keep, as static covariates: tokens with an index after all channels, before the stay's first
        measurement and at its minute.
    as_channels : bool, default False
        Make the descriptors channels at minute 0, as in the files: the 41 variables of the RoMAE paper.

    Returns
    -------
    TokenSet
        The stays; ids are RecordIDs, targets 1 for death in hospital, else 0.

    Raises
    ------
    ValueError
        If a set or descriptor is unknown.
    FileNotFoundError
        If a file is neither on this machine nor available from its address.
    """
    if isinstance(sets, str) or not sets or set(sets) - set(_CHECKSUMS) or len(set(sets)) != len(sets):
        raise ValueError(f"sets must be some of {tuple(_CHECKSUMS)}, got {sets!r}")
    parts = []
    for name in sets:
        archive = fetch(_remote(f"set-{name}.tar.gz", _CHECKSUMS[name]))
        outcomes = fetch(_remote(f"Outcomes-{name}.txt"))
        parts.append(read_physionet2012(archive, outcomes, statics=statics, as_channels=as_channels))
    return TokenSet.concatenate(parts)


def _remote(name: str, checksum: str | None = None) -> RemoteFile:
    return RemoteFile("physionet2012", name, _ADDRESS + name, checksum)


def read_physionet2012(
    archive: Path, outcomes: Path, *, statics: Sequence[str] = STATICS, as_channels: bool = False
) -> TokenSet:
    """Read one set (``set-a.tar.gz``, ``Outcomes-a.txt``); see ``load_physionet2012``."""
    if unknown := [name for name in statics if name not in STATICS]:
        raise ValueError(f"statics must be among {STATICS}, got {unknown}")
    kept = tuple(name for name in STATICS if name in statics)
    schema = Schema(
        ("time", "channel"),
        tuple(sorted((*SERIES, *kept))) if as_channels else SERIES,
        statics=() if as_channels else kept,
    )
    rows, ids = _read_stays(archive, (*schema.channels, *schema.statics))
    rows, ids = _drop_without_series(rows, ids, schema.channels)
    is_static = rows.channel_idx >= len(schema.channels)
    times = np.where(is_static, _first_times(rows, is_static, len(ids))[rows.sample_idx], rows.times)
    return replace(rows, times=times).to_tokens(
        schema, ids, _read_deaths(outcomes, ids), order=(~is_static).astype(np.int64)
    )


def _read_stays(archive: Path, names: tuple[str, ...]) -> tuple[Rows, npt.NDArray[np.int64]]:
    """All measurements of the variables ``names``, by their index, and the RecordIDs of the stays."""
    texts = [text.partition(b"\n")[2] for name, text in tar_files(archive) if name.endswith(".txt")]
    if not texts:
        raise ValueError(f"{archive} holds no stays; files named <RecordID>.txt were expected")
    table, stay_idx = parse_tables(texts, _COLUMNS, ",", str(archive))
    minutes = map_words(table["time"], _minute)
    index = {name: i for i, name in enumerate(names)}
    variable = map_words(table["variable"], lambda word: _variable_index(word, index))
    values = table["value"].to_numpy()
    is_id = variable == _RECORD
    if not np.array_equal(stay_idx[is_id], np.arange(len(texts))):
        raise ValueError(f"{archive}: every stay must name its RecordID exactly once")
    is_kept = (variable >= 0) & (values != _MISSING)
    rows = Rows(stay_idx, minutes.astype(np.float64), variable, values[:, None])
    return rows.select(is_kept), values[is_id].astype(np.int64)


def _minute(clock: str) -> int:
    """Minutes since admission of a time hh:mm."""
    found = re.fullmatch(r"(\d\d):(\d\d)", clock)
    if found is None:
        raise ValueError(f"{clock!r} is not a time written hh:mm")
    return 60 * int(found[1]) + int(found[2])


def _variable_index(name: str, index: dict[str, int]) -> int:
    if name == "RecordID":
        return _RECORD
    if name not in (*STATICS, *SERIES):
        raise ValueError(f"variable {name!r} is not a variable of the challenge: {(*STATICS, *SERIES)}")
    return index.get(name, _SKIPPED)


def _drop_without_series(
    rows: Rows, ids: npt.NDArray[np.int64], channels: tuple[str, ...]
) -> tuple[Rows, npt.NDArray[np.int64]]:
    """The stays with a measurement that is neither a descriptor nor Weight."""
    is_series = np.array([name in SERIES and name != "Weight" for name in channels])
    channel_rows = rows.select(rows.channel_idx < len(channels))
    measured = channel_rows.select(is_series[channel_rows.channel_idx])
    has_series = np.bincount(measured.sample_idx, minlength=len(ids)) > 0
    kept = rows.select(has_series[rows.sample_idx])
    return replace(kept, sample_idx=(np.cumsum(has_series) - 1)[kept.sample_idx]), ids[has_series]


def _first_times(rows: Rows, is_static: npt.NDArray[np.bool_], n_samples: int) -> npt.NDArray[np.float64]:
    """Time (B,) of each sample's first token that is not static."""
    first = np.full(n_samples, np.inf)
    np.minimum.at(first, rows.sample_idx[~is_static], rows.times[~is_static])
    return first


def _read_deaths(outcomes: Path, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """1 (B,) for stays that ended with death in hospital, else 0."""
    header, _, body = outcomes.read_bytes().partition(b"\n")
    names = header.decode("ascii", "replace").strip().split(",")
    if missing := {"RecordID", "In-hospital_death"} - set(names):
        raise ValueError(f"{outcomes} lacks the columns {sorted(missing)}, it has {names}")
    table = parse_table(body, dict.fromkeys(names, pa.int64()), ",", str(outcomes))
    died = dict(zip(table["RecordID"].to_pylist(), table["In-hospital_death"].to_pylist(), strict=True))
    if without := [stay for stay in ids.tolist() if stay not in died]:
        raise ValueError(f"{outcomes} has no outcome for {len(without)} stays, the first {without[:5]}")
    return np.array([died[stay] for stay in ids.tolist()], np.int64)
