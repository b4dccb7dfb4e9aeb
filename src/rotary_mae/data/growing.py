"""Arrays written to disk piece by piece."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


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
