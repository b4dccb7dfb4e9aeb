"""Commands that ask a trained run: predict, embed, interpolate, evaluate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rotary_mae.cli.flags import Columns, Names


def predict(run: Path, data: Path, *, out: Path, columns: Columns) -> None:
    """Classes or numbers for new series, by a classify or regress run.

    The table has a row a series: id, prediction, and for classes the probability of each (p_CLASS).

    Args:
        run: folder of a classify or regress run.
        data: CSV or Parquet file, file of samples, or cache folder.
        out: file to write, .csv or .parquet.
    """
    from rotary_mae.cli.data import read_for
    from rotary_mae.data.files import check_suffix, write_table
    from rotary_mae.estimators.prediction_tables import prediction_table

    check_suffix(out, data)
    estimator = _load(run, "predict")
    write_table(prediction_table(estimator, read_for(estimator, data, columns)), out)


def embed(run: Path, data: Path, *, out: Path, columns: Columns) -> None:
    """Series as vectors, by a pretrain run: near each other where the model finds them alike.

    The table has a row a series: id, e0, e1, ...

    Args:
        run: folder of a pretrain run.
        data: CSV or Parquet file, file of samples, or cache folder.
        out: file to write, .csv or .parquet.
    """
    from rotary_mae.cli.data import read_for
    from rotary_mae.data.files import check_suffix, write_table
    from rotary_mae.estimators.prediction_tables import embedding_table

    check_suffix(out, data)
    estimator = _load(run, "embed")
    write_table(embedding_table(estimator, read_for(estimator, data, columns)), out)


def interpolate(run: Path, data: Path, *, at: str, out: Path, columns: Columns, plot: Path | None = None) -> None:
    """Values at any time and channel, given the series in DATA, by a fit-interpolator run.

    The table has a row a question, with the value and its standard deviation (std). Each answer depends on
    the series alone, never on what else is asked.

    Args:
        run: folder of a fit-interpolator run.
        data: CSV or Parquet file, file of samples, or cache folder.
        at: a file of questions, with the columns id, time and channel named as in DATA; or grid:N for N even times
            over each series' span, in every channel.
        out: file to write, .csv or .parquet.
        plot: a picture of the first three series to write too, .png, .pdf or .svg.
    """
    from rotary_mae.cli.data import read_for
    from rotary_mae.data.files import check_suffix, read_table, write_table
    from rotary_mae.estimators.query_grids import grid_frame
    from rotary_mae.report.plots import check_picture, plot_interpolation, save_figure

    n_times = _grid(at)
    check_suffix(out, data, at if n_times is None else None)
    if plot is not None:
        check_picture(plot)
    estimator = _load(run, "interpolate")
    named = columns.named(estimator.columns)
    questions = None if n_times is not None else read_table(at, named["id"])
    source = read_for(estimator, data, columns)
    if n_times is not None:
        questions = grid_frame(source[:], n_times, named)
    estimator.set_params(columns=named)
    write_table(estimator.predict(source, at=questions, return_std=True), out)
    if plot is not None:
        save_figure(plot_interpolation(estimator, source), plot)


def evaluate(
    run: Path,
    data: Path,
    *,
    columns: Columns,
    label: Names | None = None,
    labels: Path | None = None,
    out: Path | None = None,
) -> None:
    """How good a run is on data it was not trained on.

    Classes: accuracy, balanced accuracy, macro F1. Numbers: mean squared error and R2. Pre-training and
    interpolation: how well hidden values are filled in (in scaled units), beside the mean of the channel and straight
    lines between neighbours.

    Args:
        run: folder of a run.
        data: CSV or Parquet file, file of samples, or cache folder.
        label: column of the class or number (several numbers joined by commas); as in training if not said.
        labels: a second file with a row a series, which has the columns --id and --label.
        out: file to write the metrics to, as JSON.
    """
    from rotary_mae._atomic import replacing_file
    from rotary_mae.cli.data import read_to_judge
    from rotary_mae.data.files import check_output
    from rotary_mae.estimators.evaluate import evaluate_estimator

    if out is not None:
        check_output(out, data, labels)
    estimator = _load(run, "evaluate")
    source, y = read_to_judge(estimator, data, columns, label, labels)
    metrics = evaluate_estimator(estimator, source, y)
    width = max(len(name) for name in metrics)
    for name, value in metrics.items():
        print(f"{name:<{width}}  {value:.6g}")
    if out is not None:
        with replacing_file(out) as partial:
            partial.write_text(json.dumps({"run": str(run), "data": str(data), **metrics}, indent=1) + "\n")


# what each command needs a run to be able to do, and the commands that train such runs
_ABLE = {
    "predict": ({"RoMAEClassifier", "RoMAERegressor"}, "a classify or regress run"),
    "embed": ({"RoMAEEmbedder"}, "a pretrain run"),
    "interpolate": ({"RoMAEInterpolator"}, "a fit-interpolator run"),
}

_MADE_BY = {
    "RoMAEEmbedder": "pretrain",
    "RoMAEClassifier": "classify",
    "RoMAERegressor": "regress",
    "RoMAEInterpolator": "fit-interpolator",
}


def _load(run: Path, command: str) -> Any:
    from rotary_mae.estimators.loading import load

    estimator = load(run)
    kind = type(estimator).__name__
    able, wanted = _ABLE.get(command, (set(_MADE_BY), "a run"))
    if kind not in able:
        raise ValueError(
            f"romae {command} needs {wanted}, but {run} is a {_MADE_BY[kind]} run; train one that starts from it "
            f"with --init {run}, or ask {run} for what it learned"
        )
    return estimator


def _grid(at: str) -> int | None:
    """N of ``grid:N``; None for a file."""
    if not at.startswith("grid:"):
        return None
    try:
        return int(at.removeprefix("grid:"))
    except ValueError:
        raise ValueError(f"--at grid:N needs a whole number of times, got {at!r}") from None
