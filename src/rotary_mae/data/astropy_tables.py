"""Tables of astropy as tables of pyarrow, without units and with masks as null."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def is_astropy(df: Any) -> bool:
    """Return True for an astropy Table, QTable or TimeSeries; does not import astropy."""
    module = sys.modules.get("astropy.table")
    return module is not None and isinstance(df, module.Table)


def arrow_table(table: Any) -> pa.Table:
    """Convert an astropy table.

    Parameters
    ----------
    table : astropy Table, QTable or TimeSeries
        Columns of any kind.

    Returns
    -------
    pyarrow.Table
        The same columns, masked entries as null or NaN. ``Time`` becomes MJD in days in its own time scale,
        ``TimeDelta`` days; quantities lose their unit; bytes become text; several numbers a row become a list.
    """
    return pa.table({name: _column(table[name]) for name in table.colnames})


def _column(column: Any) -> pa.Array:
    values, is_masked = _values_and_mask(column)
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8")
    if values.ndim > 1:
        filled = values if is_masked is None else np.where(is_masked, np.nan, values)
        return pa.array(filled.tolist())
    # FITS files are big-endian, arrow is not
    return pa.array(values.astype(values.dtype.newbyteorder("=")), mask=is_masked)


def _values_and_mask(column: Any) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
    mask = getattr(column, "mask", None)
    is_masked = None if mask is None or mask is np.ma.nomask else np.array(mask, bool)
    if (days := getattr(column, "mjd", None)) is None:  # Time
        days = getattr(column, "jd", None)  # TimeDelta: a number of days
    plain = column if days is None else days
    plain = getattr(plain, "value", plain)  # Quantity
    plain = getattr(plain, "unmasked", plain)
    values = np.asarray(np.ma.getdata(plain))
    return values, None if is_masked is None else np.broadcast_to(is_masked, values.shape)
