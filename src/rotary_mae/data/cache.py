"""Memory-mapped cache of tokens on disk: flat arrays to train from, written in parts."""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from rotary_mae._atomic import recover, replacing_folder, user_path
from rotary_mae.data.indexing import budget_slices, sample_indices, token_indices
from rotary_mae.data.labels import fill_missing, restore_missing, to_storable
from rotary_mae.data.parquet import NUMBERS_PER_BLOCK
from rotary_mae.data.schema import Schema
from rotary_mae.data.sources import MinimalSource, Source, adapt_source
from rotary_mae.data.tokens import TokenSet

SAMPLES_PER_BLOCK = 512
"""Samples of a lazy source that are decoded and written at once. Not tuned."""

RUNS_PER_READ = 16
"""Runs of neighbouring samples in a cache that are read before its pages are released.

The system maps up to megabytes around each read, so scattered reads would otherwise fill the memory. Not tuned."""

SCHEMA_FILE = "schema.json"


# -- writing ------------------------------------------------------------------------------------------------


def write_cache(data: MinimalSource | Iterable[TokenSet], folder: str | Path, progress: bool = False) -> CachedTokens:
    """Write samples as flat arrays to train from, and open the cache.

    Only one block of ``data`` is in memory at a time. A cache that is in ``folder`` already is replaced; an interrupted
    call leaves it as it was.

    Parameters
    ----------
    data : source, or iterable of TokenSet
        Samples, or sets of the same schema one after the other.
    folder : path
        Folder to write: new, empty, or a cache.
    progress : bool, default False
        Show a progress bar.

    Returns
    -------
    CachedTokens
        The cache, opened.

    Raises
    ------
    ValueError
        If there are no samples, the sets differ in schema, or the folder holds other files.
    """
    folder = user_path(folder)
    is_free = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not is_free and not _is_cache(folder):
        raise ValueError(f"{folder} exists and is no cache, or holds other files too; choose another folder")
    source = adapt_source(data)
    with replacing_folder(folder) as partial:
        if source is not None:
            blocks: Iterable[TokenSet] = _read_blocks(source, progress)
        else:
            assert isinstance(data, Iterable)
            blocks = _with_bar(data, None) if progress else data
        _write_arrays(blocks, partial, source)
    return open_cache(folder)


def _is_cache(folder: Path) -> bool:
    """True if a folder holds a cache, whole or damaged, and nothing else."""
    try:
        described = json.loads((folder / SCHEMA_FILE).read_text())
        names = {SCHEMA_FILE, *(f"{name}.npy" for name in described["shapes"])}
    except (OSError, ValueError, TypeError, KeyError):
        return False
    return {path.name for path in folder.iterdir()} <= names


def _read_blocks(source: Source, progress: bool) -> Iterable[TokenSet]:
    """The samples of a source in blocks that fit into memory."""
    if isinstance(source, TokenSet | CachedTokens):
        slices = budget_slices(source.lengths * source.values.shape[1], NUMBERS_PER_BLOCK)
    else:
        starts = range(0, len(source), SAMPLES_PER_BLOCK)
        slices = [slice(start, min(start + SAMPLES_PER_BLOCK, len(source))) for start in starts]
    blocks = (source[rows] for rows in slices)
    return _with_bar(blocks, len(slices)) if progress else blocks


def _with_bar(blocks: Iterable[TokenSet], total: int | None) -> Iterable[TokenSet]:
    from rich.progress import track

    return track(blocks, description="writing cache", total=total)


def _write_arrays(blocks: Iterable[TokenSet], folder: Path, source: Source | None) -> None:
    """Append the arrays of all blocks to one file each; ``source`` is what the blocks are read from, if known."""
    files: dict[str, _GrowingArray] = {}
    schema, n_tokens = None, 0
    for block in blocks:
        if schema is None:
            schema = block.schema
        elif block.schema != schema:
            raise ValueError(f"all parts need one schema; got {schema}, then {block.schema}: bring them to one first")
        arrays = _block_arrays(block, n_tokens, source)
        for name in ("targets", "token_targets"):
            if files and (name in files) != (name in arrays):
                raise ValueError(f"some parts have {name} and others not; give all of them, or none")
        for name, array in arrays.items():
            if name not in files:
                files[name] = _GrowingArray(folder / f"{name}.npy", array)
            files[name].append(array)
        n_tokens += block.n_tokens
    if schema is None or not n_tokens:
        raise ValueError("there are no samples to write")
    shapes = {name: file.close() for name, file in files.items()}
    described = {"format": 1, "schema": asdict(schema), "shapes": shapes}
    (folder / SCHEMA_FILE).write_text(json.dumps(described, indent=1))


def _block_arrays(block: TokenSet, n_tokens_before: int, source: Source | None) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a block by the names of their files."""
    arrays = {
        "values": block.values,
        "positions": block.positions,
        "lengths": block.lengths,
        "starts": block.starts + n_tokens_before,
        "ids": to_storable(block.ids, "ids"),
    }
    if block.targets is not None:
        kind = block.targets.dtype.kind
        # all labels decide the type where some are missing: those of a block may be missing altogether
        all_targets = source.targets if source is not None and kind == "O" else None
        arrays["targets"], is_known = fill_missing(block.targets, all_targets)
        if kind in "OU":
            arrays["has_target"] = is_known
    if block.token_targets is not None:
        arrays["token_targets"] = block.token_targets
    return arrays


class _GrowingArray:
    """A .npy file that grows by rows of the shape of the first array; its type widens if needed."""

    def __init__(self, path: Path, first: npt.NDArray[Any]) -> None:
        self.path, self.dtype, self.row = path, first.dtype, first.shape[1:]
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
        """Rewrite the rows so far if their type, for example the width of names, is too narrow for ``dtype``."""
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
        for start in range(0, len(before), 1 << 20):  # a million rows at once bounds the memory of the copy
            self.append(before[start : start + (1 << 20)])
        narrow.unlink()

    def close(self) -> list[int]:
        """Complete the file and return its shape."""
        self._write_header()
        self.file.close()
        return [self.n_rows, *self.row]


# -- reading ------------------------------------------------------------------------------------------------


def open_cache(folder: str | Path) -> CachedTokens:
    """Open a cache; takes no time and no memory, whatever its size.

    Parameters
    ----------
    folder : path
        Folder that ``write_cache`` wrote.

    Returns
    -------
    CachedTokens
        A Source that reads samples when they are indexed.

    Raises
    ------
    FileNotFoundError
        If there is no cache.
    ValueError
        If the cache is damaged.
    """
    return CachedTokens(user_path(folder).absolute())


class CachedTokens:
    """A cache on disk: a Source that reads only the samples it is indexed by.

    Pickling it, for example for a worker process, transfers the folder's path and no arrays.

    Parameters
    ----------
    folder : path
        Folder that ``write_cache`` wrote.

    Attributes
    ----------
    schema : Schema
        Meaning of the columns.
    values, positions, token_targets : memory-mapped arrays of shape (T, V), (T, D) and (T, k)
        The tokens; ``token_targets`` may be None.
    lengths, starts, ids : memory-mapped arrays of shape (B,)
        Number of tokens, first token and name of each sample.
    targets : array of shape (B,) or (B, k), or None
        Memory-mapped labels; or in memory, with None where one is missing.
    is_on_disk : bool
        Always True.

    Raises
    ------
    FileNotFoundError
        If there is no cache.
    ValueError
        If the cache is damaged.
    """

    is_on_disk: ClassVar[bool] = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder = user_path(folder)
        recover(folder)
        if not (folder / SCHEMA_FILE).exists():
            raise FileNotFoundError(f"there is no cache in {folder}; make one with write_cache")
        try:
            described = json.loads((folder / SCHEMA_FILE).read_text())
        except ValueError as error:
            raise ValueError(f"cache {folder} is damaged ({error}); make it anew with write_cache") from error
        self.schema = Schema(**described["schema"])
        arrays = {name: self._open(name, shape) for name, shape in described["shapes"].items()}
        self.values, self.positions = arrays["values"], arrays["positions"]
        self.lengths, self.starts, self.ids = arrays["lengths"], arrays["starts"], arrays["ids"]
        self.targets, self.token_targets = arrays.get("targets"), arrays.get("token_targets")
        is_known = arrays.get("has_target")
        if self.targets is not None and is_known is not None and not is_known.all():
            self.targets = restore_missing(self.targets, is_known)

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
    def shape(self) -> tuple[int]:
        """(B,); scikit-learn's splitters index samples by it."""
        return (len(self),)

    def __len__(self) -> int:
        return len(self.lengths)

    def __repr__(self) -> str:
        size = f"{len(self)} samples, {len(self.values)} tokens"
        return f"CachedTokens({size}, axes {self.schema.axes}, {str(self.folder)!r})"

    def __getitem__(self, index: Any) -> TokenSet:
        """Read some samples into memory.

        Parameters
        ----------
        index : int, slice, array, or (index, ...)
            Samples to read; a bool array has shape (B,).

        Returns
        -------
        TokenSet
            The chosen samples, in the given order.

        Raises
        ------
        IndexError
            If an index is outside of the cache.
        """
        chosen = sample_indices(index, len(self), self.ids)
        run_starts = np.flatnonzero(np.diff(chosen) != 1) + 1
        parts = np.split(chosen, run_starts[RUNS_PER_READ - 1 :: RUNS_PER_READ])
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
            copy=False,
        )
        self._release_pages()
        return read

    def _release_pages(self) -> None:
        """Return the pages of the files to the system, which else all count as memory of this process."""
        if not hasattr(mmap, "MADV_DONTNEED"):
            return
        per_sample = (self.lengths, self.starts, self.ids, self.targets)
        for array in (self.values, self.positions, self.token_targets, *per_sample):
            if array is not None and isinstance(array.base, mmap.mmap):
                array.base.madvise(mmap.MADV_DONTNEED)

    def __reduce__(self) -> tuple[Any, ...]:
        return CachedTokens, (self.folder,)
