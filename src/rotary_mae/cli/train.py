"""Commands that write a trained model to a folder: pretrain, classify, regress, fit-interpolator, convert."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal

from rotary_mae.cli.flags import ColumnFlags, Names, TrainingFlags, split_names


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
    from rotary_mae.cli.estimator_runs import fit_run
    from rotary_mae.estimators.embedder import RoMAEEmbedder

    fit_run(RoMAEEmbedder, data, out, columns, settings, resume)


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
    from rotary_mae.cli.estimator_runs import fit_run
    from rotary_mae.estimators.classifier import RoMAEClassifier

    own: dict[str, Any] = {"class_weight": class_weight, "n_estimators": n_estimators}
    fit_run(RoMAEClassifier, data, out, columns, settings, resume, target=label, labels=labels, **own)


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
        column of the number to predict, constant within a series; several columns are joined by commas.
    labels : Path, optional
        second file with the numbers: one row per series, with the columns --id and --target.
    n_estimators : int
        number of ensemble members, trained with different seeds; their predictions are averaged.
    resume : bool
        resume the run in --out; the result is the same as without the interruption.
    """
    from rotary_mae.cli.estimator_runs import fit_run
    from rotary_mae.data.files import column_names
    from rotary_mae.estimators.regressor import RoMAERegressor

    names = split_names(target, column_names(data if labels is None else labels))
    single = names[0] if names is not None and len(names) == 1 else names
    own: dict[str, Any] = {"n_estimators": n_estimators}
    fit_run(RoMAERegressor, data, out, columns, settings, resume, target=single, labels=labels, **own)


def fit_interpolator(
    data: Path,
    *,
    out: Path,
    columns: ColumnFlags,
    settings: TrainingFlags,
    hiding: Literal["auto", "uniform", "times", "block", "future", "channel"] = "auto",
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
    hiding : {"auto", "uniform", "times", "block", "future", "channel"}
        which values are masked in training; choose the strategy that resembles the later predictions: single values
        (uniform), all channels at some times (times), both where channels are measured at the same times (auto), gaps
        (block), the end of a series (future), or whole channels (channel).
    hiding_fraction : float
        fraction of the values of each series that is masked; for future the largest.
    n_estimators : int
        number of ensemble members, trained with different seeds; their predictions are combined into one, whose
        standard deviation is larger where the members differ.
    resume : bool
        resume the run in --out; the result is the same as without the interruption.
    """
    from rotary_mae.cli.estimator_runs import fit_run
    from rotary_mae.estimators.interpolator import RoMAEInterpolator

    own: dict[str, Any] = {"hiding": hiding, "hiding_fraction": hiding_fraction, "n_estimators": n_estimators}
    fit_run(RoMAEInterpolator, data, out, columns, settings, resume, **own)


def convert(checkpoint: Path, *, out: Path) -> None:
    """Convert a checkpoint of the paper's code to a folder for --init, with the same weights.

    The paper's code stores no scaling of values and times. A training command with --init and this folder fits the
    scaling to its own data (see --unit).

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
