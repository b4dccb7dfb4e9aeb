"""Estimators in run folders: training, loading, and predictions for the report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy.typing as npt

from rotary_mae.cli.data import (
    describe_data,
    is_main_process,
    read_label_file,
    read_source,
    read_with_labels,
    with_default_columns,
)
from rotary_mae.cli.flags import ColumnFlags, Names, TrainingFlags
from rotary_mae.data.files import column_names
from rotary_mae.data.sources import Source, Subset
from rotary_mae.estimators.estimator import RoMAEEstimator
from rotary_mae.estimators.held_out import predict_held_out
from rotary_mae.estimators.interpolator import RoMAEInterpolator
from rotary_mae.estimators.loading import load
from rotary_mae.estimators.regressor import RoMAERegressor
from rotary_mae.evaluation.held_out import HeldOutPredictions

TRAINING_COMMANDS = {
    "RoMAEEmbedder": "pretrain",
    "RoMAEClassifier": "classify",
    "RoMAERegressor": "regress",
    "RoMAEInterpolator": "fit-interpolator",
}
"""The command that trains each class of estimators."""


def fit_run(
    estimator_class: type[RoMAEEstimator],
    data: Path,
    out: Path,
    columns: ColumnFlags,
    settings: TrainingFlags,
    resume: bool,
    target: Names | None = None,
    labels: Path | None = None,
    **own: Any,
) -> None:
    """Train an estimator, print its metrics and save predictions for its validation set.

    Parameters
    ----------
    estimator_class : type
        Class of the estimator.
    data : Path
        CSV or Parquet file, file of samples, or cache folder.
    out : Path
        Folder of the run.
    columns : ColumnFlags
        Columns of a table.
    settings : TrainingFlags
        Settings of the model and of the training.
    resume : bool
        True to resume the run in ``out``.
    target : str or list of str, optional
        Columns of the labels.
    labels : Path, optional
        Second file with the labels.
    **own : any
        Parameters that only this class has.

    Raises
    ------
    ValueError
        If a setting is wrong, the data cannot be read, or an estimator that needs labels has none.
    """
    settings.check()
    given = columns.resolve({} if target is None else {"target": target}, column_names(data))
    names = with_default_columns(data, given)
    are_numbers = issubclass(estimator_class, RoMAERegressor)
    table_columns = {name: column for name, column in names.items() if labels is None or name != "target"}
    # with --init the layout is that of the model
    is_by_value = issubclass(estimator_class, RoMAEInterpolator) and settings.init is None
    source = read_source(data, table_columns, settings.layout, are_numbers=are_numbers, is_by_value=is_by_value)
    y = None if labels is None else read_label_file(labels, source, names["id"], target, are_numbers)
    if y is None and estimator_class.predicts_targets and source.targets is None:
        flag = "--target" if TRAINING_COMMANDS[estimator_class.__name__] == "regress" else "--label"
        raise ValueError(
            f"{data} has no labels; name their column with {flag} COLUMN, in this file or in a second one (--labels)"
        )
    parameters = settings.estimator_parameters(is_shown=is_main_process())
    estimator = estimator_class(**parameters, **own, columns=names, out=str(out), resume=resume)
    estimator.fit(source, y)
    if is_main_process():
        _print_result(out, estimator)
        _save_validation_predictions(out, data, estimator, source, y)


def _print_result(out: Path, estimator: RoMAEEstimator) -> None:
    result = estimator.training_
    monitor = (estimator.training or {}).get("monitor", "loss")
    best = "" if result.best is None else f"; best validation {monitor} {result.best:.4f} in epoch {result.best_epoch}"
    done = f"{len(result.history)} epochs, {result.steps} updates, {result.seconds:.0f} s"
    print(f"{out}: {done}{best}", file=sys.stderr)
    if not estimator.verbose:
        print(estimator.summary_, file=sys.stderr)


def _save_validation_predictions(
    out: Path, data: Path, estimator: RoMAEEstimator, source: Source, y: npt.NDArray[Any] | None
) -> None:
    """Save predictions for the validation set, which the report shows."""
    validation_idx = estimator.validation_idx_
    if not len(validation_idx):
        return
    about = {"part": "validation", **describe_data(data, source)}
    labels = None if y is None else y[validation_idx]
    predict_held_out(estimator, Subset(source, validation_idx), about, labels).save(out)


def load_run(run: Path, command: str, *classes: str) -> Any:
    """Load the estimator of a run.

    Parameters
    ----------
    run : Path
        Folder of the run.
    command : str
        Command that needs the estimator, for the error message.
    *classes : str
        Names of the classes that the command takes.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If the folder has no estimator, or one of another class.
    """
    if not run.is_dir():
        raise FileNotFoundError(f"there is no folder {run}; give the folder of a run")
    estimator = load(run)
    if not isinstance(estimator, RoMAEEstimator):
        raise ValueError(
            f"{run} has a model ({type(estimator).__name__}) but no estimator; give the folder that a training command "
            "wrote (its --out)"
        )
    name = type(estimator).__name__
    if name not in classes:
        expected = " or ".join(TRAINING_COMMANDS[known] for known in classes)
        raise ValueError(
            f"romae {command} needs a {expected} run, but {run} is a {TRAINING_COMMANDS[name]} run; train such a run, "
            f"with --init {run} to start from its weights"
        )
    return estimator


def predict_for_report(
    run: Path, data: Path, columns: ColumnFlags, label: Names | None, labels: Path | None
) -> HeldOutPredictions:
    """Predict samples with a run, instead of its validation set.

    Parameters
    ----------
    run : Path
        Folder of the run.
    data : Path
        CSV or Parquet file, file of samples, or cache folder.
    columns : ColumnFlags
        Columns of a table.
    label : str or list of str or None
        Columns of the labels.
    labels : Path or None
        Second file with the labels.
    """
    estimator = load_run(run, "report", *TRAINING_COMMANDS)
    source, y = read_with_labels(estimator, data, columns, label, labels)
    validation = HeldOutPredictions.load(run)
    trained_on = {} if validation is None else {name: validation.about[name] for name in ("source", "data")}
    is_trained_on = data.resolve() == Path(trained_on.get("source", "")).resolve()
    about = {**describe_data(data, source), **trained_on, "part": str(data), "is_trained_on": is_trained_on}
    return predict_held_out(estimator, source, about, y)
