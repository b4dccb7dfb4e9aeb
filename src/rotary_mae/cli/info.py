"""The command that says what is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rotary_mae.cli.columns import Columns


def info(path: Path, *, columns: Columns) -> None:
    """What a run is (model, data, last and best metrics), or what a data file holds.

    Args:
        path: folder of a run or checkpoint; or a CSV or Parquet file, file of samples, or cache folder.
    """
    from rich.console import Console
    from rich.table import Table

    from rotary_mae.cli.reading import named_as_usual, read
    from rotary_mae.data.summary import summarise
    from rotary_mae.estimators.description import describe_run, is_run

    console = Console()
    if is_run(path):
        console.print(_lines(path, describe_run(path)))
        return
    summary = summarise(read(path, named_as_usual(path, columns.named())))
    console.print(_lines(path, summary.lines()))
    if summary.channels:
        table = Table("channel", "samples", "values", "lowest", "median", "highest", box=None)
        for channel in summary.channels:
            numbers = (f"{number:.4g}" for number in (channel.low, channel.median, channel.high))
            table.add_row(channel.name, str(channel.n_samples), str(channel.n_values), *numbers)
        console.print(table)


def _lines(path: Path, lines: dict[str, str]) -> Any:
    """A rich table of them."""
    from rich.table import Table

    table = Table(title=str(path), show_header=False, box=None, title_justify="left")
    for name, text in lines.items():
        table.add_row(name, text)
    return table
