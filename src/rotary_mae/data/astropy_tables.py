"""Tables of astropy as tables of pyarrow: times in days, units and masks taken care of."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def is_astropy(df: Any) -> bool:
    """Whether this is an astropy Table, QTable or TimeSeries; astropy is not imported for it."""
    module = sys.modules.get("astropy.table")
    return module is not None and isinstance(df, module.Table)


def arrow_table(table: Any) -> pa.Table:
    """The same columns as pyarrow has them, masked entries as null or NaN.

    Columns of ``Time`` become MJD in days in their own time scale, of ``TimeDelta`` days; quantities lose their
    unit; text of FITS files, which is bytes, becomes text; several numbers a row become a list.
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
        days = getattr(column, "jd", None)  # TimeDelta, whose days count from nothing
    plain = column if days is None else days
    plain = getattr(plain, "value", plain)  # Quantity
    plain = getattr(plain, "unmasked", plain)
    values = np.asarray(np.ma.getdata(plain))
    return values, None if is_masked is None else np.broadcast_to(is_masked, values.shape)
