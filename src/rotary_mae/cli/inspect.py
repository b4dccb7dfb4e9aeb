"""The command that writes the report of a run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from rotary_mae.cli.flags import Columns, Names


def report(
    run: Path,
    *,
    columns: Columns,
    data: Path | None = None,
    out: Path | None = None,
    label: Names | None = None,
    labels: Path | None = None,
) -> None:
    """One HTML page about a run, to open anywhere without a network.

    What it was trained on, learning curves, metrics with intervals, confusion and calibration or coverage,
    interpolations to leaf through, and a map of the embeddings; of a run that has not ended, what there is so far.

    Args:
        run: folder of a run.
        data: judge on these samples, not on the validation part: CSV or Parquet file, file of samples, or cache folder.
        out: file to write; report.html in the run's folder if not said.
        label: column of DATA with the class or number; as in training if not said. Of a pretrain or fit-interpolator
            run it colours the map.
        labels: a second file with a row a series, which has the columns --id and --label.
    """
    from rotary_mae.report.page import require_plotly

    require_plotly()
    from rotary_mae.cli.data import described_data, read_to_judge
    from rotary_mae.data.files import check_output
    from rotary_mae.estimators.held_out import predict_held_out
    from rotary_mae.estimators.loading import load
    from rotary_mae.estimators.run_description import describe_run, is_run
    from rotary_mae.evaluation.held_out import HeldOutPredictions
    from rotary_mae.report.run_report import write_run_report

    if not is_run(run):
        raise ValueError(f"{run} is not the folder of a run; give what a training command was given as --out")
    if data is None and (label is not None or labels is not None):
        raise ValueError("--label and --labels say what the answers are in --data: give that too")
    page = check_output(run / "report.html" if out is None else out, data, labels)
    evidence = HeldOutPredictions.load(run)
    if data is not None:
        estimator = load(run)
        source, y = read_to_judge(estimator, data, columns, label, labels)
        trained_on = {} if evidence is None else {k: evidence.about[k] for k in ("source", "data")}
        is_same = data.resolve() == Path(trained_on.get("source", "")).resolve()
        about = {**described_data(data, source), **trained_on, "part": str(data), "is_trained_on": is_same}
        evidence = predict_held_out(estimator, source, about, y)
    write_run_report(page, run, describe_run(run), evidence)
    print(f"{page}: open it in a browser", file=sys.stderr)


def info(path: Path, *, columns: Columns) -> None:
    """What a run is (model, data, last and best metrics), or what a data file holds.

    Args:
        path: folder of a run or checkpoint; or a CSV or Parquet file, file of samples, or cache folder.
    """
    from rich.console import Console
    from rich.table import Table

    from rotary_mae.cli.data import named_as_usual, read
    from rotary_mae.data.summary import summarise
    from rotary_mae.estimators.run_description import describe_run, is_run

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
