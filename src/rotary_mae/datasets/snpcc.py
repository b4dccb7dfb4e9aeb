"""Supernova Photometric Classification Challenge: simulated supernovae in four bands, in text files of SNANA."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rotary_mae.data.schema import Schema
from rotary_mae.data.tokens import TokenSet
from rotary_mae.datasets._archives import RemoteFile, fetch, tar_files
from rotary_mae.datasets._measurement_tables import Rows, map_words, parse_tables

BANDS = ("g", "r", "i", "z")

LIGHT_CURVES = RemoteFile(
    "snpcc",
    "SIMGEN_PUBLIC_DES.tar.gz",
    "https://zenodo.org/records/13883296/files/SIMGEN_PUBLIC_DES.tar.gz",
    "md5:3ed2c475512d8c8cf8a2b8907ed21ed0",
    repacked=("SIMGEN_PUBLIC_DES.tar.xz",),
)

_COLUMNS = {
    "MJD": pa.float64(),
    "FLT": pa.string(),
    "FLUXCAL": pa.float64(),
    "FLUXCALERR": pa.float64(),
}


def load_snpcc(*, with_failed: bool = False) -> tuple[TokenSet, npt.NDArray[np.bool_]]:
    """Load supernovae of the photometric classification challenge (Kessler et al. 2010, PASP 122, 1415).

    A token is a measurement: values (flux, error, both FLUXCAL = 10^(11 - 0.4 mag)), positions (MJD in days, index of
    the band in g, r, i, z), by time and then band.

    Parameters
    ----------
    with_failed : bool, default False
        Keep the 20 observations of SNID 396420 with flux and error -9, which stands for none. There are then 2 052 860
        observations, 16 to 161 a supernova, as in publications.

    Returns
    -------
    TokenSet
        21 319 supernovae, 5088 of them Ia. ids are SNID; targets are the simulated types "Ia", "II", "IIn", "IIP",
        "IIL", "Ib", "Ic" or "Ibc", from the comment field.
    bool array of shape (B,)
        True for the 1103 supernovae with a spectroscopic type, the training set of the challenge.

    Raises
    ------
    FileNotFoundError
        If the archive is neither on this machine nor available from its address.
    """
    return read_snpcc(fetch(LIGHT_CURVES), with_failed=with_failed)


def read_snpcc(archive: Path, *, with_failed: bool = False) -> tuple[TokenSet, npt.NDArray[np.bool_]]:
    """Read ``SIMGEN_PUBLIC_DES.tar.gz`` (or .xz); see ``load_snpcc``."""
    ids, types, is_spectroscopic, tables = [], [], [], []
    for name, text in tar_files(archive):
        if not name.endswith(".DAT"):
            continue
        ids.append(int(_field(rb"^SNID:\s*(\d+)", text, name)))
        types.append(_field(rb"^SIM_COMMENT:.*SN Type = (\w+)", text, name))
        is_spectroscopic.append(_field(rb"^SNTYPE:\s*(-?\d+)", text, name) != "-9")
        tables.append(_observations(text, name))
    if not ids:
        raise ValueError(f"{archive} holds no supernovae; files named *.DAT were expected")
    table, object_idx = parse_tables(tables, _COLUMNS, ",", str(archive))
    flux = np.stack([table["FLUXCAL"].to_numpy(), table["FLUXCALERR"].to_numpy()], axis=1)
    rows = Rows(object_idx, table["MJD"].to_numpy(), map_words(table["FLT"], _band_index), flux)
    if not with_failed:
        rows = rows.select(flux[:, 1] > 0)
    schema = Schema(("time", "channel"), BANDS, ("value", "error"))
    tokens = rows.to_tokens(schema, np.array(ids), np.array(types), order=rows.channel_idx)
    return tokens, np.array(is_spectroscopic)


def _band_index(name: str) -> int:
    if name not in BANDS:
        raise ValueError(f"filter {name!r} is none of the challenge's {BANDS}")
    return BANDS.index(name)


def _field(pattern: bytes, text: bytes, name: str) -> str:
    """Text of the group of a pattern that occurs once in a file."""
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise ValueError(f"{name} has no line like {pattern.decode()}")
    return found[1].decode("ascii")


def _observations(text: bytes, name: str) -> bytes:
    """The columns ``_COLUMNS`` of the OBS lines as comma-separated values."""
    variables = tuple(_field(rb"^VARLIST:(.*)$", text, name).split())
    rows = _observation_pattern(variables).findall(text)
    if len(rows) != int(n_expected := _field(rb"^NOBS:\s*(\d+)", text, name)):
        raise ValueError(f"{name} has {len(rows)} observations, but NOBS is {n_expected}")
    return b"\n".join(b",".join(row) for row in rows)


@lru_cache(maxsize=8)
def _observation_pattern(variables: tuple[str, ...]) -> re.Pattern[bytes]:
    """Pattern of an OBS line with a group for each variable of ``_COLUMNS``."""
    if [variable for variable in variables if variable in _COLUMNS] != list(_COLUMNS):
        raise ValueError(f"VARLIST must name {list(_COLUMNS)} in this order, got {variables}")
    words = [rb"(\S+)" if variable in _COLUMNS else rb"\S+" for variable in variables]
    last = variables.index(list(_COLUMNS)[-1])
    return re.compile(rb"^OBS:[ \t]+" + rb"[ \t]+".join(words[: last + 1]), re.MULTILINE)
