"""DATA as samples, with what was read and what was left aside said on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from rotary_mae.cli.flags import Columns, flag_of, split
from rotary_mae.data.columns import MissingColumn
from rotary_mae.data.files import open_data, read_labels
from rotary_mae.data.schema import Schema
from rotary_mae.data.sources import Source
from rotary_mae.data.summary import summarise
from rotary_mae.estimators.inputs import as_source
from rotary_mae.estimators.labels import labels_for


def named_as_usual(path: Path, named: Mapping[str, Any]) -> dict[str, Any]:
    """``named``, with a column that is called channel or error taken as that, where none was said.

    Only where --value is one column: a table with a column a channel has no channel column.
    """
    data = open_data(path, named["id"])
    if not isinstance(data, pa.Table) or len(named["value"]) > 1:
        return dict(named)
    return {name: name for name in ("channel", "error") if name in data.column_names} | dict(named)


def read(path: Path, named: Mapping[str, Any], layout: str = "auto", schema: Schema | None = None) -> Source:
    """Samples from a file; ``schema`` of a fitted model lays them out as in its training.

    Raises ValueError that names the file, and for a column that is not there the flag that asked for it.
    """
    data = open_data(path, named["id"])
    if not isinstance(data, pa.Table) and named.get("target") and schema is None:
        raise ValueError(f"{path} holds samples with their labels inside: leave out the name of the label's column")
    try:
        source = as_source(data, named, layout, schema)
    except MissingColumn as missing:
        flag = flag_of(missing.name, named)
        raise ValueError(f"{path}: {missing}; say with {flag} which one is meant") from missing
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if is_main_process():
        print(f"{path}: {_in_short(source)}{_unused(data, named)}", file=sys.stderr)
    return source


def read_for(estimator: Any, path: Path, columns: Columns, labels: str | list[str] | None = None) -> Source:
    """Samples for a fitted estimator: the columns it was trained with, unless others are named.

    labels: columns of labels; None reads none.
    """
    named = columns.named(estimator.columns)
    named.pop("target", None)
    if labels:
        named["target"] = labels
    return read(path, named, schema=estimator.scaling_.schema)


def labels_from(path: Path | None, source: Source, id: str, names: str | list[str] | None) -> Any:
    """Labels (B,) or (B, k) from a second file, or None if there is none."""
    if path is None:
        return None
    columns = split(names)
    if not columns:
        raise ValueError(f"say which column of {path} holds the label: --label COLUMN (--target COLUMN for numbers)")
    try:
        return labels_for(source, read_labels(path, id, columns))
    except MissingColumn as missing:
        flag = "--id" if missing.name == id else "--label (or --target)"
        raise ValueError(f"{path}: {missing}; say with {flag} which one is meant") from missing


def read_to_judge(
    estimator: Any, path: Path, columns: Columns, label: str | list[str] | None, labels: Path | None
) -> tuple[Source, Any]:
    """Samples for a fitted estimator and, from a second file, their labels (else None: the samples carry them).

    label: the column of the labels; None as in training, for those that are judged by labels. Raises ValueError where
    such an estimator gets none.
    """
    is_judged_by_labels = hasattr(estimator, "score")
    wanted = split(label)
    names = wanted or ((estimator.columns or {}).get("target") if is_judged_by_labels else None)
    names = names[0] if isinstance(names, list) and len(names) == 1 else names
    source = read_for(estimator, path, columns, names if labels is None else None)
    y = labels_from(labels, source, columns.named(estimator.columns)["id"], names) if names or labels else None
    if is_judged_by_labels and y is None and getattr(source, "targets", None) is None:
        raise ValueError(f"{path} has no column {names!r}; say with --label which holds the answers, or give --labels")
    return source, y


def described_data(path: Path, source: Source) -> dict[str, Any]:
    """Where samples came from and what they hold, in words, as JSON can hold it."""
    summary = summarise(source)
    channels = [["channel", "samples", "values", "lowest", "median", "highest"]]
    for channel in summary.channels:
        numbers = [f"{number:.4g}" for number in (channel.low, channel.median, channel.high)]
        channels.append([channel.name, f"{channel.n_samples:,}", f"{channel.n_values:,}", *numbers])
    return {"source": str(path), "data": {"lines": summary.lines(), "channels": channels}}


def is_main_process() -> bool:
    """Whether this process is the one that speaks, of those that ``accelerate launch`` began."""
    return os.environ.get("RANK", "0") == "0"


def _in_short(source: Source) -> str:
    lengths = getattr(source, "lengths", None)
    tokens = "" if lengths is None else f", {int(lengths.sum())} tokens ({lengths.min()} to {lengths.max()} a sample)"
    channels = source.schema.channels
    named = f", channels {', '.join(channels[:8])}{', ...' if len(channels) > 8 else ''}" if channels else ""
    return f"{len(source)} samples{tokens}, layout {source.schema.layout}{named}"


def _unused(data: Any, named: Mapping[str, Any]) -> str:
    if not isinstance(data, pa.Table):
        return ""
    used = {name for names in named.values() for name in ([names] if isinstance(names, str) else names or ())}
    inner = {name.rpartition(".")[2] for name in used} | {name.partition(".")[0] for name in used}
    left = [
        field.name
        for field in data.schema
        if field.name not in used | inner and not (pa.types.is_struct(field.type) and inner & set(_fields(field)))
    ]
    return f"; columns not used: {', '.join(left[:12])}{', ...' if len(left) > 12 else ''}" if left else ""


def _fields(field: pa.Field) -> list[str]:
    return [inner.name for inner in field.type]
