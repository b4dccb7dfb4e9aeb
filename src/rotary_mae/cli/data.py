"""DATA as samples and labels; what was read and which columns were not used is printed to stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rotary_mae.cli.flags import ColumnFlags, Names, flag_for_column, split_names
from rotary_mae.data.columns import MissingColumn
from rotary_mae.data.files import column_names, open_data, read_labels
from rotary_mae.data.labels import is_missing_entry
from rotary_mae.data.schema import Schema
from rotary_mae.data.sources import Source
from rotary_mae.data.summary import summarise
from rotary_mae.estimators.classifier import RoMAEClassifier
from rotary_mae.estimators.estimator import RoMAEEstimator
from rotary_mae.estimators.inputs import as_source, by_value
from rotary_mae.estimators.labels import labels_for
from rotary_mae.estimators.regressor import RoMAERegressor

MAX_NAMES = 12
"""Most names of unused columns that are printed. Not tuned."""


def with_default_columns(path: Path, columns: Mapping[str, Any]) -> dict[str, Any]:
    """Add the columns "channel" and "error" of a table, unless other columns were named for them.

    Parameters
    ----------
    path : Path
        File or cache folder with the data.
    columns : mapping
        Names of columns by argument, as ``ColumnFlags.resolve`` returns them.

    Returns
    -------
    dict
        The same names, with the defaults. They are added only if ``value`` is one column, because a table with one
        column per channel has no channel column.
    """
    if len(columns["value"]) > 1:
        return dict(columns)
    return {name: name for name in ("channel", "error") if name in column_names(path)} | dict(columns)


def read_source(
    path: Path,
    columns: Mapping[str, Any],
    layout: str = "auto",
    schema: Schema | None = None,
    are_numbers: bool = False,
    is_by_value: bool = False,
) -> Source:
    """Read samples from a file or cache folder, and print what was read.

    Parameters
    ----------
    path : Path
        CSV or Parquet file, file of samples, or cache folder.
    columns : mapping
        Names of columns by argument, used for tables.
    layout : {"auto", "measurements", "steps"}
        Layout of the tokens.
    schema : Schema, optional
        Schema of a trained model; the samples are laid out in the same way.
    are_numbers : bool, default=False
        True if ``target`` names numbers. In a CSV file labels are else text as it is written.
    is_by_value : bool
        True to make a token of every value of a table, if ``layout`` is "auto" (see ``by_value``).

    Returns
    -------
    Source
        The samples, with targets if ``columns`` has ``target``.

    Raises
    ------
    ValueError
        If the file cannot be read as samples. The message contains the path, and for a missing column its flag.
    """
    target = [] if are_numbers else _as_list(columns.get("target"))
    # a frame without a flag for it has its channels in the column "channel"
    channel = columns.get("channel") or "channel"
    data = open_data(path, columns["id"], [channel, *target])
    if not isinstance(data, pa.Table) and columns.get("target") and schema is None:
        raise ValueError(f"{path} contains samples with their labels; remove the flag that names the label column")
    try:
        source = as_source(data, columns, layout, schema)
        source = by_value(source, data) if is_by_value and layout == "auto" and schema is None else source
    except MissingColumn as missing:
        flag = flag_for_column(missing.name, columns)
        raise ValueError(f"{path}: {missing}; name the column with {flag}") from missing
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if is_main_process():
        print(f"{path}: {_source_text(source)}{_unused_text(data, columns)}", file=sys.stderr)
    return source


def read_for_estimator(
    estimator: RoMAEEstimator, path: Path, columns: ColumnFlags, targets: Names | None = None
) -> Source:
    """Read samples for a fitted estimator, from the columns it was trained with unless flags name others.

    Parameters
    ----------
    estimator : RoMAEEstimator
        A fitted estimator.
    path : Path
        CSV or Parquet file, file of samples, or cache folder.
    columns : ColumnFlags
        The flags.
    targets : str or list of str, optional
        Columns of the labels; none are read by default.
    """
    names = columns.resolve(estimator.columns, column_names(path))
    names.pop("target", None)
    if targets:
        names["target"] = targets
    are_numbers = isinstance(estimator, RoMAERegressor)
    return read_source(path, names, schema=estimator.scaling_.schema, are_numbers=are_numbers)


def read_label_file(
    path: Path, source: Source, id_column: str, names: Names | None, are_numbers: bool = False
) -> npt.NDArray[Any] | None:
    """Read the labels of samples from a second file.

    Parameters
    ----------
    path : Path
        CSV or Parquet file with one row per sample.
    source : Source
        The samples.
    id_column : str
        Column with the ids of the samples.
    names : str or list of str or None
        Columns with the labels.
    are_numbers : bool, default=False
        True if they hold numbers. In a CSV file labels are else text as it is written.

    Returns
    -------
    array
        Labels (B,) or (B, k), in the order of the samples.

    Raises
    ------
    ValueError
        If no column is named, a column is missing, or the ids are not those of the samples.
    """
    label_columns = split_names(names, column_names(path))
    if not label_columns:
        raise ValueError(
            f"no column of {path} is named for the labels; add --label COLUMN (or --target COLUMN for numbers)"
        )
    try:
        labels: npt.NDArray[Any] | None = labels_for(source, read_labels(path, id_column, label_columns, are_numbers))
    except MissingColumn as missing:
        flag = "--id" if missing.name == id_column else "--label (or --target)"
        raise ValueError(f"{path}: {missing}; name the column with {flag}") from missing
    return labels


def read_with_labels(
    estimator: RoMAEEstimator, path: Path, columns: ColumnFlags, label: Names | None, labels: Path | None
) -> tuple[Source, npt.NDArray[Any] | None]:
    """Read samples and labels for a fitted estimator.

    Parameters
    ----------
    estimator : RoMAEEstimator
        A fitted estimator.
    path : Path
        CSV or Parquet file, file of samples, or cache folder.
    columns : ColumnFlags
        The flags.
    label : str or list of str or None
        Column of the labels; by default, for a classifier or regressor, the one it was trained with.
    labels : Path or None
        Second file with the labels.

    Returns
    -------
    source : Source
        The samples.
    y : array or None
        Labels from the second file; None if the samples have their own or there are none.

    Raises
    ------
    ValueError
        If a classifier or regressor has no labels.
    """
    trained = (estimator.columns or {}).get("target") if estimator.predicts_targets else None
    known = column_names(path if labels is None else labels)
    names = split_names(label, known) or trained
    names = names[0] if isinstance(names, list) and len(names) == 1 else names
    source = read_for_estimator(estimator, path, columns, names if labels is None else None)
    y = None
    if labels is not None:
        id_column = columns.resolve(estimator.columns)["id"]
        y = read_label_file(labels, source, id_column, names, isinstance(estimator, RoMAERegressor))
    if estimator.predicts_targets and y is None and source.targets is None:
        raise ValueError(
            f"{path} has no column {names!r} for the labels; name it with --label, or give a second file with --labels"
        )
    if isinstance(estimator, RoMAEClassifier):
        y = _in_type_of_classes(estimator.classes_, source.targets if y is None else y)
    return source, y


def _in_type_of_classes(classes: npt.NDArray[Any], labels: npt.NDArray[Any] | None) -> npt.NDArray[Any] | None:
    """Return labels as text where the classes are: if all codes of a file look like numbers, they were read as such."""
    if labels is None or classes.dtype.kind != "U" or labels.dtype.kind == "U":
        return labels
    texts = np.empty(len(labels), object)
    texts[:] = [None if is_missing_entry(label) else _as_written(label) for label in labels.tolist()]
    return texts


def _as_written(label: Any) -> str:
    return str(label).lower() if isinstance(label, bool) else str(label)


def _as_list(names: Names | None) -> list[str]:
    return [names] if isinstance(names, str) else list(names or ())


def describe_data(path: Path, source: Source) -> dict[str, Any]:
    """Return the path and a summary of samples, as text that JSON can hold."""
    summary = summarise(source)
    channels = [["channel", "samples", "values", "lowest", "median", "highest"]]
    for channel in summary.channels:
        numbers = [f"{number:.4g}" for number in (channel.low, channel.median, channel.high)]
        channels.append([channel.name, f"{channel.n_samples:,}", f"{channel.n_values:,}", *numbers])
    return {"source": str(path), "data": {"lines": summary.lines(), "channels": channels}}


def is_main_process() -> bool:
    """Return True in the process that prints; ``accelerate launch`` sets RANK in each process that it starts."""
    return os.environ.get("RANK", "0") == "0"


def _source_text(source: Source) -> str:
    lengths, channels = source.lengths, source.schema.channels
    tokens = ""
    if lengths is not None:
        tokens = f", {int(lengths.sum())} tokens ({lengths.min()} to {lengths.max()} per sample)"
    names = f", channels {', '.join(channels[:8])}{', ...' if len(channels) > 8 else ''}" if channels else ""
    return f"{len(source)} samples{tokens}, layout {source.schema.layout}{names}"


def _unused_text(data: Any, columns: Mapping[str, Any]) -> str:
    """Return the columns of a table that are not used; a struct column is used if one of its fields is."""
    if not isinstance(data, pa.Table):
        return ""
    used = {name for names in columns.values() for name in ([names] if isinstance(names, str) else names or ())}
    inner = {name.rpartition(".")[2] for name in used} | {name.partition(".")[0] for name in used}
    unused = [
        field.name
        for field in data.schema
        if field.name not in used | inner
        and not (pa.types.is_struct(field.type) and inner & {child.name for child in field.type})
    ]
    if not unused:
        return ""
    return f"; columns not used: {', '.join(unused[:MAX_NAMES])}{', ...' if len(unused) > MAX_NAMES else ''}"
