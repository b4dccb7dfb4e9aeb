"""Commands that write a run to start from: pretrain, classify, regress, fit-interpolator, convert."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rotary_mae.cli.flags import ColumnFlags, Names, TrainingFlags, split_names

if TYPE_CHECKING:
    import numpy.typing as npt

    from rotary_mae.data.sources import Source
    from rotary_mae.estimators.estimator import RoMAEEstimator


def pretrain(data: Path, *, out: Path, columns: ColumnFlags, settings: TrainingFlags, resume: bool = False) -> None:
    """Pre-train a model on series without labels: it learns to predict masked values.

    The run provides initial weights for the other training commands (--init RUN) and vectors for romae embed.

    Parameters
    ----------
    data : Path
        CSV or Parquet file, file of samples, or cache folder.
    out : Path
        folder of the run: settings, metrics as JSON lines, last and best checkpoint.
    columns : ColumnFlags
        columns of a table.
    settings : TrainingFlags
        settings of the model and of the training.
    resume : bool
        resume the run in --out; the result is the same as without the interruption.
    """
    from rotary_mae.estimators.embedder import RoMAEEmbedder

    _fit(RoMAEEmbedder, data, out, columns, settings, resume)


def classify(
    data: Path,
    *,
    out: Path,
    columns: ColumnFlags,
    settings: TrainingFlags,
    label: str | None = None,
    labels: Path | None = None,
    class_weight: Literal["balanced"] | None = None,
    n_estimators: int = 1,
    resume: bool = False,
) -> None:
    """Train a classifier of whole series, from random weights or from a pre-trained run (--init RUN).

    Parameters
    ----------
    data : Path
        CSV or Parquet file, file of samples, or cache folder.
    out : Path
        folder of the run: settings, metrics as JSON lines, last and best checkpoint.
    columns : ColumnFlags
        columns of a table.
    settings : TrainingFlags
        settings of the model and of the training.
    label : str, optional
        column of the class, constant within a series.
    labels : Path, optional
        second file with the labels: one row per series, with the columns --id and --label.
    class_weight : {"balanced"}, optional
        "balanced" gives each class the same total weight in the loss.
    n_estimators : int
        number of ensemble members, trained with different seeds; their probabilities are averaged.
    resume : bool
        resume the run in --out; the result is the same as without the interruption.
    """
    from rotary_mae.estimators.classifier import RoMAEClassifier

    own: dict[str, Any] = {"class_weight": class_weight, "n_estimators": n_estimators}
    _fit(RoMAEClassifier, data, out, columns, settings, resume, target=label, labels=labels, **own)


def regress(
    data: Path,
    *,
    out: Path,
    columns: ColumnFlags,
    settings: TrainingFlags,
    target: Names | None = None,
    labels: Path | None = None,
    n_estimators: int = 1,
    resume: bool = False,
) -> None:
    """Train a model that predicts one or several numbers for each series.

    Parameters
    ----------
    data : Path
        CSV or Parquet file, file of samples, or cache folder.
    out : Path
        folder of the run: settings, metrics as JSON lines, last and best checkpoint.
    columns : ColumnFlags
        columns of a table.
    settings : TrainingFlags
        settings of the model and of the training.
    target : str or list of str, optional
        column of the number, constant within a series; several columns are joined by commas.
    labels : Path, optional
        second file with the numbers: one row per series, with the columns --id and --target.
    n_estimators : int
        number of ensemble members, trained with different seeds; their predictions are averaged.
    resume : bool
        resume the run in --out; the result is the same as without the interruption.
    """
    from rotary_mae.estimators.regressor import RoMAERegressor

    names = split_names(target)
    single = names[0] if names is not None and len(names) == 1 else names
    own: dict[str, Any] = {"n_estimators": n_estimators}
    _fit(RoMAERegressor, data, out, columns, settings, resume, target=single, labels=labels, **own)


def fit_interpolator(
    data: Path,
    *,
    out: Path,
    columns: ColumnFlags,
    settings: TrainingFlags,
    hiding: Literal["uniform", "times", "block", "future", "channel"] = "uniform",
    hiding_fraction: float = 0.5,
    n_estimators: int = 1,
    resume: bool = False,
) -> None:
    """Train a model that predicts values and their standard deviations at any time (see romae interpolate).

    Parameters
    ----------
    data : Path
        CSV or Parquet file, file of samples, or cache folder.
    out : Path
        folder of the run: settings, metrics as JSON lines, last and best checkpoint.
    columns : ColumnFlags
        columns of a table.
    settings : TrainingFlags
        settings of the model and of the training.
    hiding : {"uniform", "times", "block", "future", "channel"}
        which values are masked in training; choose what will be predicted: single values (uniform), all channels at
        some times (times), gaps (block), the end of a series (future), or whole channels (channel).
    hiding_fraction : float
        fraction of the values of each series that is masked.
    n_estimators : int
        number of ensemble members, trained with different seeds; they give one prediction, whose standard deviation is
        larger where they disagree.
    resume : bool
        resume the run in --out; the result is the same as without the interruption.
    """
    from rotary_mae.estimators.interpolator import RoMAEInterpolator

    own: dict[str, Any] = {"hiding": hiding, "hiding_fraction": hiding_fraction, "n_estimators": n_estimators}
    _fit(RoMAEInterpolator, data, out, columns, settings, resume, **own)


def convert(checkpoint: Path, *, out: Path) -> None:
    """Convert a checkpoint of the paper's code to a folder for --init, with the same weights.

    The paper's code stores no scaling of values and times. Training that starts from the folder fits one to its data
    (see --unit).

    Parameters
    ----------
    checkpoint : Path
        folder with model_config.json and model.safetensors.
    out : Path
        folder to write.
    """
    from rotary_mae.models.official import from_official

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out} is not empty; choose another folder")
    model = from_official(checkpoint)
    model.save_pretrained(out)
    print(f"{out}: {type(model).__name__}, {model.n_parameters()} parameters", file=sys.stderr)


def _fit(
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

    own: parameters of this class of estimators alone.
    """
    from rotary_mae.cli.data import is_main_process, read_label_file, read_source, with_default_columns

    settings.check()
    names = with_default_columns(data, columns.resolve({} if target is None else {"target": target}))
    table_columns = {name: column for name, column in names.items() if labels is None or name != "target"}
    source = read_source(data, table_columns, settings.layout)
    y = None if labels is None else read_label_file(labels, source, names["id"], target)
    if y is None and estimator_class.predicts_targets and source.targets is None:
        flag = "--target" if estimator_class.__name__ == "RoMAERegressor" else "--label"
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
    """Save predictions for the validation set, for romae report."""
    from rotary_mae.cli.data import describe_data
    from rotary_mae.data.sources import Subset
    from rotary_mae.estimators.held_out import predict_held_out

    validation_idx = estimator.validation_idx_
    if not len(validation_idx):
        return
    about = {"part": "validation", **describe_data(data, source)}
    labels = None if y is None else y[validation_idx]
    predict_held_out(estimator, Subset(source, validation_idx), about, labels).save(out)
