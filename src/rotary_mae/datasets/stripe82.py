"""RR Lyrae stars of SDSS Stripe 82: 483 real light curves in five bands."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from rotary_mae.data.schema import Schema
from rotary_mae.data.tokens import TokenSet
from rotary_mae.datasets._archives import RemoteFile, fetch, tar_files
from rotary_mae.datasets._measurement_tables import Rows, parse_tables

BANDS = ("u", "g", "r", "i", "z")

_ADDRESS = "https://github.com/astroML/astroML-data/raw/master/datasets/S82_RRLyr/"

LIGHT_CURVES = RemoteFile(
    "s82_rrlyrae",
    "table1.tar.gz",
    _ADDRESS + "table1.tar.gz",
    "sha256:f6e767f6b3713f9024e1a33d530cc054f9decb071483ebc794465c478de6c53a",
)

STARS = RemoteFile(
    "s82_rrlyrae",
    "table2.dat.gz",
    _ADDRESS + "table2.dat.gz",
    "sha256:17dfa90d65d2c91b15b21d76f00d7067266058cc9b2885b44d366f464fcb7614",
)

_MISSING = -99.99
"""Magnitude of a band that was not observed."""

_FAILED = 99.999
"""Error of a measurement that failed."""

_COLUMNS = ("ra", "dec", *(f"{what}_{band}" for band in BANDS for what in ("time", "magnitude", "error")))


def load_stripe82(*, with_failed: bool = False) -> TokenSet:
    """Load RR Lyrae stars of SDSS Stripe 82 with their subtype (Sesar et al. 2010, ApJ 708, 717).

    A token is a measurement: values (magnitude, error), positions (MJD in days, index of the band in u, g, r, i, z), by
    time and then band. A magnitude of -99.99 was not observed and is no token.

    Parameters
    ----------
    with_failed : bool, default False
        Keep the 59 measurements that failed (error 99.999, most of them with a magnitude near 100). There are then
        136 196 measurements, 78 to 645 a star, as in publications.

    Returns
    -------
    TokenSet
        483 stars; ids are their numbers in table 2 of the paper, targets "RRab" (379) or "RRc" (104).

    Raises
    ------
    FileNotFoundError
        If the files are neither on this machine nor available from their addresses.
    """
    return read_stripe82(fetch(LIGHT_CURVES), fetch(STARS), with_failed=with_failed)


def read_stripe82(light_curves: Path, stars: Path, *, with_failed: bool = False) -> TokenSet:
    """Read the two original files, ``table1.tar.gz`` and ``table2.dat.gz``; see ``load_stripe82``."""
    types = _read_types(stars)
    parts = [(int(name[:-4]), text) for name, text in tar_files(light_curves) if re.fullmatch(r"\d+\.dat", name)]
    if not parts:
        raise ValueError(f"{light_curves} holds no light curves; files named <number>.dat were expected")
    if untyped := sorted({star for star, _ in parts} - set(types)):
        raise ValueError(f"{stars} gives no type for {len(untyped)} stars of {light_curves}: {untyped[:5]}")
    ids = np.array([star for star, _ in parts])
    rows = _parse_light_curves([text for _, text in parts], light_curves)
    if not with_failed:
        rows = rows.select(rows.values[:, 1] != _FAILED)
    schema = Schema(("time", "channel"), BANDS, ("value", "error"))
    targets = np.array(["RR" + types[star] for star in ids.tolist()])
    return rows.to_tokens(schema, ids, targets, order=rows.channel_idx)


def _read_types(stars: Path) -> dict[int, str]:
    """Type "ab" or "c" by star number, the first two columns of table 2."""
    lines = gzip.decompress(stars.read_bytes()).decode("ascii").splitlines()
    words = [line.split(maxsplit=2) for line in lines if line.strip() and not line.startswith("#")]
    if wrong := [row for row in words if len(row) < 2 or not row[0].isdecimal() or row[1] not in ("ab", "c")]:
        raise ValueError(f"{stars}: a row must start with a star's number and ab or c, got {' '.join(wrong[0])!r}")
    return {int(row[0]): row[1] for row in words}


def _parse_light_curves(texts: Sequence[bytes], path: Path) -> Rows:
    """Rows of measurements from one text a star, in which a row is an epoch of all bands."""
    spaced = [re.sub(rb"[ \t]+", b" ", text) for text in texts]
    table, star_idx = parse_tables(spaced, dict.fromkeys(_COLUMNS, pa.float64()), " ", str(path))
    epochs = np.stack([column.to_numpy() for column in table.columns[2:]], axis=1)  # without ra, dec
    measured = epochs.reshape(-1, len(BANDS), 3)
    is_observed = (measured != _MISSING).all(axis=2)
    epoch_idx, band_idx = np.nonzero(is_observed)
    return Rows(star_idx[epoch_idx], measured[is_observed, 0], band_idx, measured[is_observed, 1:])
