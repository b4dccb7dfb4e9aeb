"""The UEA archive of multivariate time series classification, in the .ts format."""

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
from rotary_mae.datasets._archives import RemoteFile, fetch
from rotary_mae.datasets._measurement_tables import damaged, parse_table

SPLITS = ("train", "test")


def load_uea(name: str, split: str = "train") -> TokenSet:
    """One split of a classification problem of the UEA archive (Bagnall et al. 2018, arXiv 1811.00075).

    A token a time step: values are the dimensions ("0", "1", ... as channels), position is the number of the
    step. ids: "train-0", ...; targets: the class labels as strings. A missing value of a step is 0, and then
    every dimension has an observed flag besides; a step of which nothing is observed is no token.

    name: as on timeseriesclassification.com, e.g. "Epilepsy". split: "train" or "test".
    Raises ValueError for another split or one that the archive does not hold, FileNotFoundError where the
    archive is not to be had, which may mean that there is no problem of this name.
    """
    if split not in SPLITS:
        raise ValueError(f"split must be one of {SPLITS}, got {split!r}")
    if not re.fullmatch(r"\w[\w-]*", name):
        raise ValueError(f"name must be a problem's name of letters and digits such as 'Epilepsy', got {name!r}")
    address = f"https://timeseriesclassification.com/aeon-toolkit/{name}.zip"
    return read_uea(fetch(RemoteFile("uea", f"{name}.zip", address)), split)


def read_uea(archive: Path, split: str = "train") -> TokenSet:
    """One split of ``<Name>.zip`` with ``<Name>_TRAIN.ts`` and ``<Name>_TEST.ts``; see ``load_uea``."""
    try:
        text, name = _read_split(archive, split)
    except (zipfile.BadZipFile, zlib.error) as error:
        raise damaged(archive, error) from error
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
    """n cases of C dimensions: their numbers case by case, then dimension by dimension, NaN where missing."""

    numbers: npt.NDArray[np.float64]
    lengths: npt.NDArray[np.int64]  # (n, C)
    labels: npt.NDArray[np.str_] | None  # (n,)
    may_miss: bool  # what the header says

    def to_tokens(self, split: str) -> TokenSet:
        """A token a step of which anything is observed."""
        n_cases, n_channels = self.lengths.shape
        n_steps = self.lengths.max(axis=1)
        steps = self._steps(n_steps)
        is_observed = ~np.isnan(steps)
        is_kept = is_observed.any(axis=1)
        case_idx = np.repeat(np.arange(n_cases), n_steps)
        numbers = np.arange(len(steps)) - np.repeat(np.cumsum(n_steps) - n_steps, n_steps)
        values, is_observed = np.nan_to_num(steps[is_kept], nan=0.0), is_observed[is_kept]
        roles = ("value",) * n_channels
        # as the header says, so that the two splits agree where only one of them lacks values
        if self.may_miss or not is_observed.all():
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
        """(all steps, C), NaN where missing or where a dimension is shorter than others of its case."""
        steps = np.full((int(n_steps.sum()), self.lengths.shape[1]), np.nan)
        stops = np.cumsum(self.lengths).reshape(self.lengths.shape)
        for case, row in enumerate(np.cumsum(n_steps) - n_steps):
            for channel, length in enumerate(self.lengths[case]):
                stop = stops[case, channel]
                steps[row : row + length, channel] = self.numbers[stop - length : stop]
        return steps


def _parse_ts(text: bytes, what: str) -> _Cases:
    """The cases of a .ts file: ``@key value`` lines, ``@data``, then ``1,2:3,4:label`` lines."""
    header, at_data, body = text.partition(b"\n@data")
    fields = dict(re.findall(r"(?m)^@(\w+)[ \t]+(\w+)", header.decode("utf-8", "replace").lower()))
    if not at_data:
        raise ValueError(f"{what} has no line @data")
    if fields.get("timestamps") == "true":
        raise ValueError(f"{what} has time stamps, which no problem of the archive uses; this reader cannot")
    lines = [line.strip().split(b":") for line in body.splitlines()[1:] if line.strip()]
    if not lines:
        raise ValueError(f"{what} holds no cases")
    has_label = fields.get("classlabel") == "true"
    labels = np.array([line.pop().strip().decode() for line in lines]) if has_label else None
    if len(widths := {len(line) for line in lines}) > 1:
        raise ValueError(f"{what}: all cases need the same number of dimensions, got {sorted(widths)}")
    lengths = np.array([[part.count(b",") + 1 for part in line] for line in lines])
    column = b"\n".join(part for line in lines for part in line).replace(b",", b"\n")
    numbers = parse_table(column, {"value": pa.float64()}, ",", what)["value"].to_numpy()
    if len(numbers) != lengths.sum():
        raise ValueError(f"{what} has {lengths.sum() - len(numbers)} empty values; missing ones are written ?")
    return _Cases(numbers, lengths, labels, fields.get("missing") == "true")
