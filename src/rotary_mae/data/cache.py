"""TokenSets on disk: Parquet for exchange, a memory-mapped cache of flat arrays for training."""

from __future__ import annotations

import json
import mmap
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae.data.parquet import fill_gaps, restore_gaps, storable, token_blocks
from rotary_mae.data.schema import Schema
from rotary_mae.data.sources import Source
from rotary_mae.data.tokens import TokenSet, sample_indices, token_indices

_SAMPLES_PER_BLOCK = 512  # of a source that does not tell its lengths

_MOST_RUNS = 16  # of neighbours in a cache that are read before its pages are given back


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
            blocks = list(token_blocks(data))
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
            arrays["targets"], is_known = fill_gaps(part.targets, like)
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
            self.targets = restore_gaps(self.targets, is_known)

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


class GrowingArray:
    """A .npy file that grows by rows like those of the first array; its type widens if it must."""

    def __init__(self, path: Path, like: npt.NDArray[Any]) -> None:
        self.path, self.dtype, self.row = path, like.dtype, like.shape[1:]
        self._create()

    def _create(self) -> None:
        self.n_rows = 0
        self.file = self.path.open("wb")
        self._write_header()

    def _write_header(self) -> None:
        # numpy leaves room in the header for the number of rows to grow
        header = {"descr": self.dtype.str, "fortran_order": False, "shape": (self.n_rows, *self.row)}
        self.file.seek(0)
        np.lib.format.write_array_header_1_0(self.file, header)

    def append(self, array: npt.NDArray[Any]) -> None:
        if array.shape[1:] != self.row:
            raise ValueError(f"{self.path.stem}: rows have shape {array.shape[1:]}, those before {self.row}")
        if array.dtype != self.dtype:
            self._widen(array.dtype)
        np.ascontiguousarray(array, self.dtype).tofile(self.file)
        self.n_rows += len(array)

    def _widen(self, dtype: np.dtype[Any]) -> None:
        """Write what is there anew if its type, say the width of names, is too narrow for what comes."""
        if (dtype.kind == "U") != (self.dtype.kind == "U"):
            raise ValueError(f"{self.path.stem} must be text or numbers in all parts, got {self.dtype}, then {dtype}")
        wide = np.result_type(dtype, self.dtype)
        if wide == self.dtype:
            return
        self.close()
        narrow = self.path.rename(self.path.with_suffix(".narrow"))
        before = np.load(narrow, mmap_mode="r", allow_pickle=False)
        self.dtype = wide
        self._create()
        for start in range(0, len(before), 1 << 20):
            self.append(before[start : start + (1 << 20)])
        narrow.unlink()

    def close(self) -> list[int]:
        """Complete the file; returns its shape."""
        self._write_header()
        self.file.close()
        return [self.n_rows, *self.row]
