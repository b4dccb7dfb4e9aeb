"""UEA archive of multivariate time series classification, in the .ts format."""

from __future__ import annotations

import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rotary_mae.data.schema import Schema
from rotary_mae.data.tokens import TokenSet
from rotary_mae.datasets._archives import RemoteFile, damaged_archive, fetch
from rotary_mae.datasets._measurement_tables import parse_table

SPLITS = ("train", "test")


def load_uea(name: str, split: str = "train") -> TokenSet:
    """Load one split of a classification problem of the UEA archive (Bagnall et al. 2018, arXiv 1811.00075).

    A token is a time step: values are the dimensions, with channels "0", "1", ..., and the position is the index of
    the step. If values are missing, they are 0, and all dimensions have an observed flag. A step without observed
    values becomes no token.

    Parameters
    ----------
    name : str
        Name on timeseriesclassification.com, such as "Epilepsy".
    split : {"train", "test"}, default "train"
        Split to load.

    Returns
    -------
    TokenSet
        The cases; ids are "train-0", ..., targets class labels as text.

    Raises
    ------
    ValueError
        If the split is unknown or missing from the archive.
    FileNotFoundError
        If the archive is neither on this machine nor available from its address, for example because there is no
        problem of this name.
    """
    if split not in SPLITS:
        raise ValueError(f"split must be one of {SPLITS}, got {split!r}")
    if not re.fullmatch(r"\w[\w-]*", name):
        raise ValueError(f"name must be a problem's name of letters and digits such as 'Epilepsy', got {name!r}")
    address = f"https://timeseriesclassification.com/aeon-toolkit/{name}.zip"
    return read_uea(fetch(RemoteFile("uea", f"{name}.zip", address)), split)


def read_uea(archive: Path, split: str = "train") -> TokenSet:
    """Read one split of ``<Name>.zip`` with ``<Name>_TRAIN.ts`` and ``<Name>_TEST.ts``; see ``load_uea``."""
    try:
        text, name = _read_split(archive, split)
    except (zipfile.BadZipFile, zlib.error) as error:
        raise damaged_archive(archive, error) from error
    return _parse_ts(text, f"{archive}:{name}").to_tokens(split)


def _read_split(archive: Path, split: str) -> tuple[bytes, str]:
    with zipfile.ZipFile(archive) as files:
        found = [n for n in files.namelist() if n.lower().endswith(f"_{split}.ts")]
        if len(found) != 1:
            raise ValueError(
                f"{archive} has no {split} split: expected one file named *_{split.upper()}.ts, "
                f"it holds {files.namelist()}"
            )
        return files.read(found[0]), found[0]


@dataclass(frozen=True)
class _Cases:
    """n cases of C dimensions.

    Attributes
    ----------
    numbers : array of shape (sum of lengths,)
        Values case by case, then dimension by dimension; NaN where one is missing.
    lengths : int array of shape (n, C)
        Time steps of each dimension.
    labels : array of shape (n,), or None
        Class labels.
    may_lack_values : bool
        True if the header announces missing values.
    """

    numbers: npt.NDArray[np.float64]
    lengths: npt.NDArray[np.int64]
    labels: npt.NDArray[np.str_] | None
    may_lack_values: bool

    def to_tokens(self, split: str) -> TokenSet:
        """Return a token for each time step with an observed value."""
        n_cases, n_channels = self.lengths.shape
        n_steps = self.lengths.max(axis=1)
        steps = self._steps(n_steps)
        is_observed = ~np.isnan(steps)
        is_kept = is_observed.any(axis=1)
        case_idx = np.repeat(np.arange(n_cases), n_steps)
        numbers = np.arange(len(steps)) - np.repeat(np.cumsum(n_steps) - n_steps, n_steps)
        values, is_observed = np.nan_to_num(steps[is_kept], nan=0.0), is_observed[is_kept]
        roles = ("value",) * n_channels
        # the header may announce missing values, so that both splits have flags if only one of them lacks values
        if self.may_lack_values or not is_observed.all():
            values = np.concatenate([values, is_observed], axis=1)
            roles += ("observed",) * n_channels
        return TokenSet(
            values,
            numbers[is_kept],
            np.bincount(case_idx[is_kept], minlength=n_cases),
            ids=np.array([f"{split}-{i}" for i in range(n_cases)]),
            targets=self.labels,
            schema=Schema(("time",), tuple(str(i) for i in range(n_channels)), roles),
        )

    def _steps(self, n_steps: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Time steps (N, C), NaN where a value is missing or a dimension is shorter than others of its case."""
        steps = np.full((int(n_steps.sum()), self.lengths.shape[1]), np.nan)
        stops = np.cumsum(self.lengths).reshape(self.lengths.shape)
        for case, row in enumerate(np.cumsum(n_steps) - n_steps):
            for channel, length in enumerate(self.lengths[case]):
                stop = stops[case, channel]
                steps[row : row + length, channel] = self.numbers[stop - length : stop]
        return steps


def _parse_ts(text: bytes, source: str) -> _Cases:
    """Cases of a .ts file: ``@key value`` lines, ``@data``, then ``1,2:3,4:label`` lines."""
    header, at_data, body = text.partition(b"\n@data")
    fields = dict(re.findall(r"(?m)^@(\w+)[ \t]+(\w+)", header.decode("utf-8", "replace").lower()))
    if not at_data:
        raise ValueError(f"{source} has no line @data")
    if fields.get("timestamps") == "true":
        raise ValueError(f"{source} has time stamps, which this reader does not support")
    lines = [line.strip().split(b":") for line in body.splitlines()[1:] if line.strip()]
    if not lines:
        raise ValueError(f"{source} holds no cases")
    has_label = fields.get("classlabel") == "true"
    labels = np.array([line.pop().strip().decode() for line in lines]) if has_label else None
    if len(widths := {len(line) for line in lines}) > 1:
        raise ValueError(f"{source}: all cases need the same number of dimensions, got {sorted(widths)}")
    lengths = np.array([[part.count(b",") + 1 for part in line] for line in lines])
    column = b"\n".join(part for line in lines for part in line).replace(b",", b"\n")
    numbers = parse_table(column, {"value": pa.float64()}, ",", source)["value"].to_numpy()
    if len(numbers) != lengths.sum():
        raise ValueError(f"{source} has {lengths.sum() - len(numbers)} empty values; missing ones are written ?")
    return _Cases(numbers, lengths, labels, fields.get("missing") == "true")
