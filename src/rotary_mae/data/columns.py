"""Columns of data frames of any library as arrays, through narwhals and pyarrow."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rotary_mae.data.entries import conversion_of, split_mask
from rotary_mae.data.labels import is_missing_entry
from rotary_mae.data.rows import FloatArray, IntArray, raise_unobserved
from rotary_mae.data.timestamps import check_zones, is_timelike, to_seconds


class MissingColumn(ValueError):
    """A column that a data frame lacks.

    Parameters
    ----------
    name : str
        Name of the column.
    known : sequence of str
        Names of the columns that are there.
    hint : str
        Text to put before them in the message.

    Attributes
    ----------
    name, known
        The parameters above.
    """

    def __init__(self, name: str, known: Sequence[str], hint: str) -> None:
        self.name, self.known = name, tuple(known)
        shown = ", ".join(map(str, known[:40])) + (", ..." if len(known) > 40 else "")
        super().__init__(f"there is no column {name!r}; {hint}the columns are {shown}")


def select(df: Any, names: Sequence[str]) -> pa.Table:
    """Return some columns of a data frame.

    Parameters
    ----------
    df : pandas, polars, pyarrow or astropy table
        The data frame; it may be lazy.
    names : sequence of str
        Names of columns; ``lc.flux``, or ``flux`` if it is unique, is a field of a struct column ``lc``.

    Returns
    -------
    pyarrow.Table
        The columns by the names in ``names``.

    Raises
    ------
    ValueError
        If this is no data frame, has no rows, or lacks a column (MissingColumn).
    """
    frame = open_frame(df, names)
    known = frame.columns
    outer = [name for name in known if name in names]
    structs = []
    if len(outer) < len(names):
        structs = [name for name, kind in frame.schema.items() if kind == nw.Struct]
    table = pa.table({name: arrow_column(frame[name]) for name in dict.fromkeys([*outer, *structs])})
    inner = {f"{name}.{field.name}" for name in structs for field in table.schema.field(name).type}
    table = table.flatten() if structs else table
    found = {name: _find(name, table.column_names, [*known, *sorted(inner)]) for name in names}
    if len(frame) == 0:
        raise ValueError("the data frame has no rows; expected at least one observation")
    return pa.table({name: table[column] for name, column in found.items()}).combine_chunks()


def open_frame(df: Any, names: Collection[str] = ()) -> nw.DataFrame[Any]:
    """Return a data frame of any library as narwhals has it; raise ValueError if it is none, or names repeat.

    names: columns that are used, see ``astropy_to_arrow``.
    """
    try:
        frame = nw.from_native(astropy_to_arrow(df, names) if is_astropy(df) else _with_index(df, names))
    except TypeError:
        raise ValueError(
            f"expected a pandas, polars, pyarrow or astropy table, got {type(df).__name__}; arrays go to from_arrays, "
            "files are read first, for example with pandas.read_csv or pandas.read_parquet"
        ) from None
    except nw.exceptions.DuplicateError as error:
        raise ValueError(f"the columns of a frame need different names: {error}; rename one of them") from error
    opened: nw.DataFrame[Any] = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
    return opened


def _with_index(df: Any, names: Collection[str]) -> Any:
    """Return a pandas frame with the levels of its index as columns, if some of ``names`` are levels; others as is."""
    levels = [name for name in getattr(getattr(df, "index", None), "names", ()) if name is not None]
    return df.reset_index() if any(name in names and name not in df.columns for name in levels) else df


def arrow_column(column: nw.Series[Any]) -> pa.Array:
    """Return a column as an arrow array; raise ValueError for types that arrow does not have, with what to do."""
    native, name = column.to_native(), column.name
    if hasattr(native, "sparse"):
        native = native.sparse.to_dense()
        column = nw.from_native(native, series_only=True)
    try:
        if column.dtype == nw.Object:
            # arrow would read mixed time zones as one, and polars gives addresses of its objects
            entries = column.to_list()
            check_zones(entries, f"column {name!r}")
            return pa.array(entries, from_pandas=True)
        array = column.to_arrow()
    except (pa.ArrowException, TypeError) as error:
        kinds = sorted({type(entry).__name__ for entry in column.to_list() if not is_missing_entry(entry)})
        if len(kinds) > 1:
            raise ValueError(
                f"column {name!r} holds entries of several types, {', '.join(kinds)}; convert it to one type, to text "
                "with astype(str)"
            ) from error
        kind = str(getattr(native, "dtype", kinds[0] if kinds else "unknown"))
        raise ValueError(f"column {name!r} is of a type that is not read, {kind}; {conversion_of(kind)}") from error
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _find(name: str, columns: Sequence[str], known: Sequence[str]) -> str:
    if name in columns:
        return name
    nested = [column for column in columns if column.endswith(f".{name}")]
    if len(nested) == 1:
        return nested[0]
    close = nested or get_close_matches(name, map(str, known), n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
    raise MissingColumn(name, known, hint)


def explode(table: pa.Table, id: str, by: str) -> pa.Table:
    """Return a nested table, a row an object with its series in list columns, as a long one; others as they are."""
    if not _is_list(table.schema.field(by).type):
        return table
    lists = [field.name for field in table.schema if _is_list(field.type)]
    lengths = {name: pc.fill_null(pc.list_value_length(table[name]), 0) for name in lists}
    for name in lists:
        differs = pc.not_equal(lengths[name], lengths[by]).to_numpy()
        if differs.any():
            row = int(np.argmax(differs))
            raise ValueError(
                f"lists of one row must be equally long, but for id {table[id][row].as_py()!r} {by!r} has "
                f"{lengths[by][row]} entries and {name!r} has {lengths[name][row]}; correct or drop the row"
            )
    empty = pc.equal(lengths[by], 0).to_numpy()
    if empty.any():
        raise_unobserved(np.array(table[id].to_pylist(), object)[empty])
    parents = pc.list_parent_indices(table[by])
    return pa.table(
        {n: pc.list_flatten(table[n]) if n in lists else table[n].take(parents) for n in table.column_names}
    ).combine_chunks()


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def numbers(table: pa.Table, name: str) -> FloatArray:
    """Return a column as float64 (N,), NaN where it is null."""
    array = _plain(table, name)
    kind = array.type
    if not (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_null(kind)
    ):
        example = _example(array)
        raise ValueError(
            f"column {name!r} must be numbers, got {kind}, for example {example!r}; {_number_hint(kind, example)}"
        )
    if pa.types.is_boolean(kind):
        array = array.cast(pa.uint8())
    result = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.asarray(result, np.float64)


def _number_hint(kind: pa.DataType, example: Any) -> str:
    if isinstance(kind, pa.BaseExtensionType):
        return conversion_of(str(kind))
    if isinstance(example, str) and _DECIMAL_COMMA.fullmatch(example.strip()):
        return (
            "its numbers have a decimal comma, expected a point: read the file with pandas.read_csv(..., decimal=',')"
        )
    return "convert it first"


_DECIMAL_COMMA = re.compile(r"[+-]?[\d.]*,\d+([eE][+-]?\d+)?")


def times(table: pa.Table, name: str) -> tuple[FloatArray, str | None]:
    """Return a column as numbers (N,) and None, or as seconds since 1970-01-01 UTC and the name of its type."""
    array = _plain(table, name)
    if is_timelike(array.type):
        return to_seconds(array), str(array.type)
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        raise ValueError(
            f"time column {name!r} holds text, for example {_example(array)!r}; expected numbers or time "
            "stamps: parse it first (pandas.to_datetime, polars str.to_datetime)"
        )
    return numbers(table, name), None


def time_type(table: pa.Table, name: str) -> str | None:
    """Return the name of the type of a column of time stamps or durations, None for any other column."""
    kind = _plain(table, name).type
    return str(kind) if is_timelike(kind) else None


def channel_name(entry: Any) -> str:
    """Return the name of a channel."""
    # a gap in a column of whole numbers makes them floats, but 1.0 is the same channel as 1
    return str(int(entry)) if isinstance(entry, float) and entry.is_integer() else str(entry)


def codes(table: pa.Table, name: str) -> tuple[IntArray, npt.NDArray[Any]]:
    """Return the code (N,) of each entry, -1 for null, and the distinct entries in order of first appearance."""
    array = _plain(table, name)
    if pa.types.is_floating(array.type):
        array = pc.if_else(pc.is_nan(array), None, array)
    if pa.types.is_decimal(array.type):
        array = _plain_decimals(array)
    try:
        encoded = array.dictionary_encode()
    except pa.ArrowNotImplementedError as error:
        raise _not_a_name(array, name) from error
    index = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return index, _entries(encoded.dictionary, name)


def _entries(dictionary: pa.Array, name: str) -> npt.NDArray[Any]:
    kind = dictionary.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return np.array(dictionary.to_pylist(), dtype=np.str_)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return np.asarray(dictionary.to_numpy(zero_copy_only=False))
    if pa.types.is_null(kind):
        return np.array([], dtype=np.str_)
    raise _not_a_name(dictionary, name)


def _not_a_name(array: pa.Array, name: str) -> ValueError:
    kind = array.type
    remedy = conversion_of(str(kind)) if isinstance(kind, pa.BaseExtensionType) else "convert it to text first"
    return ValueError(
        f"column {name!r} must be text, numbers or categories, got {kind}, for example {_example(array)!r}; {remedy}"
    )


def _plain_decimals(array: pa.Array) -> pa.Array:
    """Decimals as whole numbers if all of them are, else as floats."""
    floats = array.cast(pa.float64(), safe=False)
    is_whole = pc.all(pc.equal(floats, pc.floor(floats))).as_py() is not False
    return floats.cast(pa.int64()) if is_whole else floats


def _plain(table: pa.Table, name: str) -> pa.Array:
    """The column as one array, with categories decoded, and UUIDs and bytes as text."""
    column = table[name]
    array = column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
    if pa.types.is_run_end_encoded(array.type):
        array = pc.run_end_decode(array)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if isinstance(array.type, pa.BaseExtensionType) and array.type.extension_name == "arrow.uuid":
        return pa.array([None if entry is None else str(entry) for entry in array.to_pylist()], pa.string())
    if pa.types.is_float16(array.type):
        return array.cast(pa.float32())
    kind = array.type
    is_bytes = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
    if is_bytes or str(kind) in ("string_view", "binary_view"):
        try:
            array = array.cast(pa.large_binary()).cast(pa.large_string()) if is_bytes else array.cast(pa.large_string())
        except pa.ArrowInvalid as error:
            raise ValueError(f"column {name!r} holds bytes that are not text in UTF-8; convert it to text") from error
    return array


def _example(array: pa.Array) -> Any:
    """An entry for an error message: the first that is no number, else the first."""
    valid = array.drop_null()
    return next(
        (entry for entry in valid.to_pylist() if not _is_number(entry)), valid[0].as_py() if len(valid) else None
    )


def _is_number(entry: Any) -> bool:
    try:
        float(entry)
    except (TypeError, ValueError):
        return False
    return True


# -- astropy ------------------------------------------------------------------------------------------------


def is_astropy(df: Any) -> bool:
    """Return True for an astropy Table, QTable or TimeSeries; does not import astropy."""
    module = sys.modules.get("astropy.table")
    return module is not None and isinstance(df, module.Table)


def astropy_to_arrow(table: Any, required: Collection[str]) -> pa.Table:
    """Convert an astropy table.

    Parameters
    ----------
    table : astropy Table, QTable or TimeSeries
        Columns of any kind.
    required : collection of str
        Columns that are used; others are left out if they are of a kind that is not read, such as coordinates.

    Returns
    -------
    pyarrow.Table
        The same columns, masked entries as null or NaN. ``Time`` becomes MJD in days in its own time scale,
        ``TimeDelta`` days; quantities lose their unit; bytes become text; several numbers a row become a list.
    """
    columns = {}
    for name in table.colnames:
        try:
            columns[name] = _astropy_column(table[name])
        except (pa.ArrowException, TypeError, ValueError) as error:
            if name in required:
                raise ValueError(f"column {name!r} cannot be read: {error}; convert it to text or numbers") from error
    return pa.table(columns)


def _astropy_column(column: Any) -> pa.Array:
    values, is_masked = split_mask(column)
    values = np.asarray(values)
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8")
    if values.ndim > 1:
        filled = values if is_masked is None else np.where(is_masked, np.nan, values)
        return pa.array(filled.tolist())
    # FITS files are big-endian, arrow is not
    return pa.array(values.astype(values.dtype.newbyteorder("=")), mask=is_masked)
