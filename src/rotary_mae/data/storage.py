"""TokenSets on disk: Parquet for exchange, a memory-mapped cache of flat arrays for training."""

from __future__ import annotations

import json
import mmap
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from rotary_mae.data.growing import GrowingArray
from rotary_mae.data.missing import is_missing, is_nothing
from rotary_mae.data.schema import Schema
from rotary_mae.data.tokens import Source, TokenSet, sample_indices, token_indices

_KEY = b"rotary_mae"
_NUMBERS_PER_BLOCK = 1 << 22
_SAMPLES_PER_BLOCK = 512  # of a source that does not tell its lengths
_MOST_RUNS = 16  # of neighbours in a cache that are read before its pages are given back


# -- Parquet ----------------------------------------------------------------------------------------------


def write_parquet(tokens: TokenSet, path: str | Path) -> None:
    """Write a set to one Parquet file with a row a sample, whole or not at all; ``read_parquet`` reads it.

    Names of classes may be missing: as null. Raises ValueError if ids or targets are neither text nor numbers.
    """
    extras = {"ids": storable(tokens.ids, "ids")}
    types: dict[str, pa.DataType] = {}
    if tokens.targets is not None:
        filled, is_known = _without_gaps(tokens.targets)
        extras["targets"] = filled if is_known.all() else _with_gaps(filled, is_known)
        types["targets"] = pa.from_numpy_dtype(filled.dtype) if filled.dtype.kind != "U" else pa.string()
    about = {"schema": asdict(tokens.schema), "dtypes": {name: a.dtype.str for name, a in extras.items()}}
    schema = _table(tokens[:0], extras, types).schema.with_metadata({_KEY: json.dumps(about)})
    with replacing(Path(path)) as partial, pq.ParquetWriter(partial, schema) as writer:
        for rows in _blocks(tokens):
            writer.write_table(_table(tokens[rows], {name: array[rows] for name, array in extras.items()}, types))


def _table(tokens: TokenSet, extras: dict[str, npt.NDArray[Any]], types: dict[str, pa.DataType]) -> pa.Table:
    columns = {name: _rows(array[: len(tokens)], types.get(name)) for name, array in extras.items()}
    columns["values"] = _lists(tokens.values, tokens.lengths)
    columns["positions"] = _lists(tokens.positions, tokens.lengths)
    if tokens.token_targets is not None:
        columns["token_targets"] = _lists(tokens.token_targets, tokens.lengths)
    return pa.table(columns)


def _blocks(tokens: TokenSet | CachedTokens) -> Iterator[slice]:
    """Slices of samples that hold about ``_NUMBERS_PER_BLOCK`` values each."""
    ends = (tokens.starts + tokens.lengths) * tokens.values.shape[1]
    start = 0
    while start < len(ends):
        before = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, before + _NUMBERS_PER_BLOCK, side="right")), start + 1)
        yield slice(start, stop)
        start = stop


def holds_tokens(path: str | Path) -> bool:
    """Whether this is a Parquet file that ``write_parquet`` wrote; only its foot is read."""
    path = Path(path)
    if path.suffix not in (".parquet", ".pq") or not path.exists():
        return False
    try:
        return _KEY in (pq.read_schema(path).metadata or {})
    except (pa.ArrowInvalid, OSError):
        return False


def read_parquet(path: str | Path) -> TokenSet:
    """The set that ``TokenSet.to_parquet`` wrote to ``path``, with ids, targets and channels.

    Raises FileNotFoundError, or ValueError for a truncated file and for a Parquet file of another kind.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        table = pq.ParquetFile(path).read().combine_chunks()
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"cannot read {path}: {error}; it is truncated or not a Parquet file") from error
    metadata = table.schema.metadata or {}
    if _KEY not in metadata:
        raise ValueError(
            f"{path} is a Parquet file, but not one of tokens; its columns are {table.column_names}: read it "
            "with from_frame(pandas.read_parquet(path), id=..., time=..., value=...)"
        )
    about = json.loads(metadata[_KEY])
    schema = Schema(**about["schema"])
    values, positions = (_flat(table[name]) for name in ("values", "positions"))
    lengths = table["positions"].combine_chunks().value_lengths().to_numpy() // len(schema.axes)
    extras = {name: _matrix(table[name], np.dtype(dtype)) for name, dtype in about["dtypes"].items()}
    answers = None
    if "token_targets" in table.column_names:
        answers = _flat(table["token_targets"]).reshape(int(lengths.sum()), -1)
    return TokenSet(
        values.reshape(-1, len(schema.roles)),
        positions.reshape(-1, len(schema.axes)),
        lengths,
        ids=extras["ids"],
        targets=extras.get("targets"),
        token_targets=answers,
        schema=schema,
    )


def _lists(array: npt.NDArray[Any], lengths: npt.NDArray[np.int64]) -> pa.Array:
    offsets = np.append(0, np.cumsum(lengths)) * array.shape[1]
    return pa.LargeListArray.from_arrays(offsets, pa.array(array.reshape(-1)))


def _flat(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    flat: npt.NDArray[Any] = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return flat


def _rows(array: npt.NDArray[Any], kind: pa.DataType | None = None) -> pa.Array:
    # of labels some of which are missing a part may lack all
    flat = pa.array(array.reshape(-1), kind if array.dtype.kind == "O" else None)
    return flat if array.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, array.shape[1])


def _matrix(column: pa.ChunkedArray, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    is_listed = pa.types.is_fixed_size_list(column.type)
    if dtype.kind == "O":
        # whole numbers of which some are missing would become floats
        array = np.array(column.to_pylist(), object)
    else:
        array = _flat(column) if is_listed else column.to_numpy()
    return array.astype(dtype).reshape((-1, column.type.list_size) if is_listed else -1)


def storable(array: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    """The array with text as fixed-width unicode; raises ValueError for what only pickle could hold."""
    if array.dtype.kind == "O" and all(isinstance(entry, str) for entry in array.flat):
        return array.astype(np.str_)
    if array.dtype.kind not in "iufbU":
        raise ValueError(f"{name} must be text or numbers to be written, got dtype {array.dtype}; convert them")
    return array


_NOTHING: dict[str, str | int | float | bool] = {"U": "", "i": 0, "u": 0, "f": 0.0, "b": False}
"""What stands for a label that is missing, by the kind of the others."""


def _without_gaps(
    targets: npt.NDArray[Any], like: npt.NDArray[Any] | None = None
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Targets that can be stored, with "", 0 or False for what is missing; and True for those that are not.

    like: targets of which these are a part, which may lack all.
    """
    if targets.dtype.kind != "O":
        return storable(targets, "targets"), np.ones(targets.shape, bool)
    is_known = ~is_missing(targets)
    known = [entry for entry in (targets if like is None else like).flat if not is_nothing(entry)]
    kinds = {np.dtype(type(entry)).kind for entry in known} or {"U"}
    if len(kinds) > 1 or not kinds <= set(_NOTHING):
        given = ", ".join(sorted({type(entry).__name__ for entry in known}))
        raise ValueError(f"targets must be text or numbers to be written, all of one kind, got {given}; convert them")
    nothing = _NOTHING[kinds.pop()]
    filled = np.array(
        [entry if is_there else nothing for entry, is_there in zip(targets.flat, is_known.flat, strict=True)]
    )
    return storable(filled.reshape(targets.shape), "targets"), is_known


def _with_gaps(filled: npt.NDArray[Any], is_known: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    found = filled.astype(object)
    found[~is_known] = None
    return found


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to that takes the place of ``path`` if all goes well, and vanishes if not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


# -- cache ------------------------------------------------------------------------------------------------


def write_cache(data: Source | Iterable[TokenSet], folder: str | Path, progress: bool = False) -> CachedTokens:
    """Write a source, or TokenSets one after the other, as flat arrays to train from; opened at once.

    Needs memory for one block of ``data`` only. An interrupted call leaves ``folder`` as it was; a cache that is there
    already is replaced. ``progress`` shows a bar.

    Raises ValueError for no samples, for parts of different schemas, and for a folder that holds other files.
    """
    folder = Path(folder)
    is_free = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not is_free and not _is_cache(folder):
        raise ValueError(f"{folder} exists and is no cache, or holds other files too; choose another folder")
    partial, old = folder.with_name(f"{folder.name}.partial"), folder.with_name(f".{folder.name}.replaced")
    for left in (partial, old):  # by a process that was killed
        if left.exists() and not all(path.suffix == ".npy" or path.name == "schema.json" for path in left.iterdir()):
            raise ValueError(f"{left} holds other files; it is needed to write {folder}: move them, or choose another")
        shutil.rmtree(left, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        whole = getattr(data, "targets", None)
        _write_arrays(_parts(data, progress), partial, whole if isinstance(whole, np.ndarray) else None)
        if folder.exists():
            folder.rename(old)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    return open_cache(folder)


def _is_cache(folder: Path) -> bool:
    """Whether a folder holds a cache, whole or damaged, and nothing else."""
    try:
        about = json.loads((folder / "schema.json").read_text())
        names = {"schema.json", *(f"{name}.npy" for name in about["shapes"])}
    except (OSError, ValueError, TypeError, KeyError):
        return False
    return {path.name for path in folder.iterdir()} <= names


def _parts(data: Source | Iterable[TokenSet], progress: bool) -> Iterator[TokenSet]:
    if not isinstance(data, Source):
        parts, total = iter(data), None
    else:
        if isinstance(data, TokenSet | CachedTokens):
            blocks = list(_blocks(data))
        else:
            starts = range(0, len(data), _SAMPLES_PER_BLOCK)
            blocks = [slice(start, min(start + _SAMPLES_PER_BLOCK, len(data))) for start in starts]
        parts, total = (data[block] for block in blocks), len(blocks)
    if not progress:
        return parts
    from rich.progress import track

    return iter(track(parts, description="writing cache", total=total))


def _write_arrays(parts: Iterable[TokenSet], folder: Path, like: npt.NDArray[Any] | None) -> None:
    """like: the targets of all parts, where they are known."""
    columns: dict[str, GrowingArray] = {}
    schema, n_tokens = None, 0
    for part in parts:
        if schema is None:
            schema = part.schema
        elif part.schema != schema:
            raise ValueError(f"all parts need one schema; got {schema}, then {part.schema}: use conform first")
        arrays = {
            "values": part.values,
            "positions": part.positions,
            "lengths": part.lengths,
            "starts": part.starts + n_tokens,
            "ids": storable(part.ids, "ids"),
        }
        if part.targets is not None:
            arrays["targets"], is_known = _without_gaps(part.targets, like)
            if part.targets.dtype.kind in "OU":
                arrays["has_target"] = is_known
        if part.token_targets is not None:
            arrays["token_targets"] = part.token_targets
        for name in ("targets", "token_targets"):
            if columns and (name in columns) != (name in arrays):
                raise ValueError(f"some parts have {name} and others not; give all of them, or none")
        for name, array in arrays.items():
            if name not in columns:
                columns[name] = GrowingArray(folder / f"{name}.npy", array)
            columns[name].append(array)
        n_tokens += part.n_tokens
    if schema is None or not n_tokens:
        raise ValueError("there are no samples to write")
    shapes = {name: column.close() for name, column in columns.items()}
    about = {"format": 1, "schema": asdict(schema), "shapes": shapes}
    (folder / "schema.json").write_text(json.dumps(about, indent=1))


def open_cache(folder: str | Path) -> CachedTokens:
    """Open the ``folder`` that ``write_cache`` wrote; takes no time and no memory, whatever its size.

    Raises FileNotFoundError if there is no cache, ValueError if it is damaged.
    """
    return CachedTokens(Path(folder).absolute())


class CachedTokens:
    """Samples on disk: a Source that reads just the samples asked for.

    ``ids`` (B,), ``targets`` (B,), (B, k) or None, ``lengths`` and ``starts`` (B,) are memory-mapped arrays; names of
    classes of which some are missing are in memory, with None for these.
    Raises FileNotFoundError if there is no cache, ValueError if it is damaged.
    """

    is_on_disk = True
    """Read best in blocks of neighbours, not sample by sample."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / "schema.json").exists():
            raise FileNotFoundError(f"there is no cache in {folder}; make one with write_cache")
        try:
            about = json.loads((folder / "schema.json").read_text())
        except ValueError as error:
            raise ValueError(f"cache {folder} is damaged ({error}); make it anew with write_cache") from error
        self._schema = Schema(**about["schema"])
        arrays = {name: self._open(name, shape) for name, shape in about["shapes"].items()}
        self.values, self.positions = arrays["values"], arrays["positions"]
        self.lengths, self.starts, self.ids = arrays["lengths"], arrays["starts"], arrays["ids"]
        self.targets, self.token_targets = arrays.get("targets"), arrays.get("token_targets")
        is_known = arrays.get("has_target")
        if self.targets is not None and is_known is not None and not is_known.all():
            self.targets = _with_gaps(self.targets, is_known)

    def _open(self, name: str, shape: list[int]) -> npt.NDArray[Any]:
        path = self.folder / f"{name}.npy"
        try:
            array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, EOFError, ValueError) as error:
            raise ValueError(
                f"cache {path} is missing or truncated ({error}); make it anew with write_cache"
            ) from error
        if list(array.shape) != shape:
            raise ValueError(f"cache {path} has shape {array.shape}, expected {tuple(shape)}; make it anew")
        return array

    @property
    def schema(self) -> Schema:
        """What the columns mean."""
        return self._schema

    @property
    def shape(self) -> tuple[int]:
        """(B,): lets scikit-learn's splitters index samples."""
        return (len(self),)

    def __len__(self) -> int:
        return len(self.lengths)

    def __repr__(self) -> str:
        size = f"{len(self)} samples, {len(self.values)} tokens"
        return f"CachedTokens({size}, axes {self.schema.axes}, {str(self.folder)!r})"

    def __getitem__(self, index: Any) -> TokenSet:
        """Samples by int, slice, int or bool array, read into memory."""
        chosen = sample_indices(index, len(self))
        runs = np.flatnonzero(np.diff(chosen) != 1) + 1
        parts = np.split(chosen, runs[_MOST_RUNS - 1 :: _MOST_RUNS])
        read = [self._read(part) for part in parts]
        return read[0] if len(read) == 1 else TokenSet.concatenate(read)

    def _read(self, chosen: npt.NDArray[np.int64]) -> TokenSet:
        lengths = np.asarray(self.lengths[chosen])
        tokens = token_indices(np.asarray(self.starts[chosen]), lengths)
        read = TokenSet(
            self.values[tokens],
            self.positions[tokens],
            lengths,
            ids=np.asarray(self.ids[chosen]),
            targets=None if self.targets is None else np.asarray(self.targets[chosen]),
            token_targets=None if self.token_targets is None else np.asarray(self.token_targets[tokens]),
            schema=self.schema,
        )
        self._give_back()
        return read

    def _give_back(self) -> None:
        """Let go of the pages read: around each the system maps up to megabytes, which all count as memory."""
        if not hasattr(mmap, "MADV_DONTNEED"):
            return
        per_sample = (self.lengths, self.starts, self.ids, self.targets)
        for array in (self.values, self.positions, self.token_targets, *per_sample):
            if array is not None and isinstance(array.base, mmap.mmap):
                array.base.madvise(mmap.MADV_DONTNEED)

    def __reduce__(self) -> tuple[Any, ...]:
        # to another process goes the place, not the arrays
        return CachedTokens, (self.folder,)
