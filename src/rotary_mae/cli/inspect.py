"""Commands that describe a run or a data file: report, info."""

from __future__ import annotations

import sys
from pathlib import Path

from rotary_mae.cli.flags import ColumnFlags, Names


def report(
    run: Path,
    *,
    columns: ColumnFlags,
    data: Path | None = None,
    out: Path | None = None,
    label: Names | None = None,
    labels: Path | None = None,
) -> None:
    """Write one HTML page about a run, which opens anywhere without a network.

    It shows the training data, learning curves, metrics with intervals, the confusion matrix, calibration or coverage,
    single samples with their predictions, and a map of the embeddings. For an unfinished run it shows what there is.

    Parameters
    ----------
    run : Path
        folder of a run.
    columns : ColumnFlags
        columns of a table.
    data : Path, optional
        samples to evaluate the run on, instead of its validation set: CSV or Parquet file, file of samples, or cache
        folder.
    out : Path, optional
        file to write; default: report.html in the folder of the run.
    label : str or list of str, optional
        column of the class or number in DATA; default: the one of the training. For a pretrain or fit-interpolator run
        it colours the map.
    labels : Path, optional
        second file with the labels: one row per series, with the columns --id and --label.
    """
    from rotary_mae.report.page import require_plotly

    require_plotly()
    from rotary_mae.cli.estimator_runs import predict_for_report
    from rotary_mae.data.files import check_output
    from rotary_mae.estimators.run_description import describe_run, is_run
    from rotary_mae.evaluation.held_out import HeldOutPredictions
    from rotary_mae.report.run_report import write_run_report

    if not is_run(run):
        raise ValueError(f"{run} is not the folder of a run; give the folder that a training command wrote (its --out)")
    if data is None and (label is not None or labels is not None):
        raise ValueError("--label and --labels belong to --data; add --data, or leave them out")
    page = check_output(run / "report.html" if out is None else out, data, labels)
    if data is None:
        predictions = HeldOutPredictions.load(run)
    else:
        predictions = predict_for_report(run, data, columns, label, labels)
    write_run_report(page, run, describe_run(run), predictions)
    print(f"{page}: open it in a browser", file=sys.stderr)


def info(path: Path, *, columns: ColumnFlags) -> None:
    """Describe a run (model, data, last and best metrics) or the contents of a data file.

    Parameters
    ----------
    path : Path
        folder of a run or checkpoint; or a CSV or Parquet file, file of samples, or cache folder.
    columns : ColumnFlags
        columns of a table.
    """
    from rich.console import Console
    from rich.table import Table

    from rotary_mae.cli.data import read_source, with_default_columns
    from rotary_mae.data.files import column_names
    from rotary_mae.data.summary import summarise
    from rotary_mae.estimators.run_description import describe_run, is_run

    if is_run(path):
        _print_texts(path, describe_run(path))
        return
    names = columns.resolve(known=column_names(path))
    summary = summarise(read_source(path, with_default_columns(path, names)))
    _print_texts(path, summary.lines())
    if summary.channels:
        table = Table("channel", "samples", "values", "lowest", "median", "highest", box=None)
        for channel in summary.channels:
            numbers = (f"{number:.4g}" for number in (channel.low, channel.median, channel.high))
            table.add_row(channel.name, str(channel.n_samples), str(channel.n_values), *numbers)
        Console().print(table)


def _print_texts(path: Path, texts: dict[str, str]) -> None:
    """Print texts by name in two columns, below the path."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=str(path), show_header=False, box=None, title_justify="left")
    for name, text in texts.items():
        table.add_row(name, text)
    Console().print(table)
