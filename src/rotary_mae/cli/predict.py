"""Commands that apply a trained run to data: predict, embed, interpolate, evaluate."""

from __future__ import annotations

import json
from pathlib import Path

from rotary_mae.cli.flags import ColumnFlags, Names


def predict(run: Path, data: Path, *, out: Path, columns: ColumnFlags) -> None:
    """Predict the class or the numbers of each series with a classify or regress run.

    The output has one row per series: id, prediction, and for classes the probability of each (p_CLASS).

    Parameters
    ----------
    run : Path
        folder of a classify or regress run.
    data : Path
        CSV or Parquet file, file of samples, or cache folder.
    out : Path
        file to write, .csv or .parquet.
    columns : ColumnFlags
        columns of a table.
    """
    from rotary_mae.cli.data import read_for_estimator
    from rotary_mae.cli.estimator_runs import load_run
    from rotary_mae.data.files import check_table_output, write_table
    from rotary_mae.estimators.prediction_tables import prediction_table

    check_table_output(out, data)
    estimator = load_run(run, "predict", "RoMAEClassifier", "RoMAERegressor")
    write_table(prediction_table(estimator, read_for_estimator(estimator, data, columns)), out)


def embed(run: Path, data: Path, *, out: Path, columns: ColumnFlags) -> None:
    """Compute a vector for each series with a pretrain run; similar series have similar vectors.

    The output has one row per series: id, e0, e1, ...

    Parameters
    ----------
    run : Path
        folder of a pretrain run.
    data : Path
        CSV or Parquet file, file of samples, or cache folder.
    out : Path
        file to write, .csv or .parquet.
    columns : ColumnFlags
        columns of a table.
    """
    from rotary_mae.cli.data import read_for_estimator
    from rotary_mae.cli.estimator_runs import load_run
    from rotary_mae.data.files import check_table_output, write_table
    from rotary_mae.estimators.prediction_tables import embedding_table

    check_table_output(out, data)
    estimator = load_run(run, "embed", "RoMAEEmbedder")
    write_table(embedding_table(estimator, read_for_estimator(estimator, data, columns)), out)


def interpolate(run: Path, data: Path, *, at: str, out: Path, columns: ColumnFlags, plot: Path | None = None) -> None:
    """Predict values at any time and channel of the series in DATA with a fit-interpolator run.

    The output has one row per query, with the value and its standard deviation (std). A prediction depends only on the
    series, not on the other queries.

    Parameters
    ----------
    run : Path
        folder of a fit-interpolator run.
    data : Path
        CSV or Parquet file, file of samples, or cache folder.
    at : str
        file of queries, with the columns id, time and channel named as in DATA; or grid:N for N equally spaced times
        between the first and the last measurement of each series, in every channel.
    out : Path
        file to write, .csv or .parquet.
    columns : ColumnFlags
        columns of a table.
    plot : Path, optional
        picture of the first three series, written in addition to --out: .png, .pdf or .svg.
    """
    from rotary_mae.cli.data import read_for_estimator
    from rotary_mae.cli.estimator_runs import load_run
    from rotary_mae.data.files import check_table_output, column_names, read_table, write_table
    from rotary_mae.estimators.prediction_tables import grid_frame
    from rotary_mae.report.plots import check_picture, plot_interpolation, save_figure

    n_times = _grid_size(at)
    check_table_output(out, data, at if n_times is None else None)
    if plot is not None:
        check_picture(plot)
    estimator = load_run(run, "interpolate", "RoMAEInterpolator")
    names = columns.resolve(estimator.columns, column_names(data))
    channel = names.get("channel") or "channel"
    queries = None if n_times is not None else read_table(at, names["id"], [channel])
    source = read_for_estimator(estimator, data, columns)
    if n_times is not None:
        queries = grid_frame(source[:], n_times, names)
    estimator.set_params(columns=names)
    write_table(estimator.predict(source, at=queries, return_std=True), out)
    if plot is not None:
        save_figure(plot_interpolation(estimator, source), plot)


def evaluate(
    run: Path,
    data: Path,
    *,
    columns: ColumnFlags,
    label: Names | None = None,
    labels: Path | None = None,
    out: Path | None = None,
) -> None:
    """Compute the metrics of a run on data that it was not trained on.

    Classifier: accuracy, balanced accuracy, macro F1. Regressor: mean squared error and R2. Pre-trained model and
    interpolator: errors on masked values in scaled units, also those of the channel mean and of linear interpolation.

    Parameters
    ----------
    run : Path
        folder of a run.
    data : Path
        CSV or Parquet file, file of samples, or cache folder.
    columns : ColumnFlags
        columns of a table.
    label : str or list of str, optional
        column of the class or number (several numbers are joined by commas); default: the column that was used in
        training.
    labels : Path, optional
        second file with the labels: one row per series, with the columns --id and --label.
    out : Path, optional
        file to write the metrics to, as JSON.
    """
    from rotary_mae._atomic import replacing_file
    from rotary_mae.cli.data import read_with_labels
    from rotary_mae.cli.estimator_runs import TRAINING_COMMANDS, load_run
    from rotary_mae.data.files import check_output
    from rotary_mae.estimators.evaluate import evaluate as evaluate_estimator

    if out is not None:
        check_output(out, data, labels)
    estimator = load_run(run, "evaluate", *TRAINING_COMMANDS)
    source, y = read_with_labels(estimator, data, columns, label, labels)
    metrics = evaluate_estimator(estimator, source, y)
    width = max(len(name) for name in metrics)
    for name, value in metrics.items():
        print(f"{name:<{width}}  {value:.6g}")
    if out is not None:
        with replacing_file(out) as partial:
            partial.write_text(json.dumps({"run": str(run), "data": str(data), **metrics}, indent=1) + "\n")


def _grid_size(at: str) -> int | None:
    """Return N of ``grid:N``; None for a file."""
    if not at.startswith("grid:"):
        return None
    try:
        return int(at.removeprefix("grid:"))
    except ValueError:
        raise ValueError(f"--at grid:N needs an integer N, the number of times, got {at!r}") from None
