"""Commands that train: pretrain, classify, regress, fit-interpolator."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rotary_mae.cli.flags import Columns, Fitting, Names, split

if TYPE_CHECKING:
    from rotary_mae.data.sources import Source


def pretrain(data: Path, *, out: Path, columns: Columns, fitting: Fitting, resume: bool = False) -> None:
    """Learn from series without labels: parts of each are hidden, and the model learns to fill them in.

    What it learned is a start for the other commands (--init RUN), and turns series into vectors (romae embed).

    Args:
        data: CSV or Parquet file, file of samples, or cache folder.
        out: folder for the run: settings, metrics as JSON lines, last and best checkpoint.
        resume: go on with the run in --out where it was stopped; the result is as if it had not been.
    """
    from rotary_mae.estimators.embedder import RoMAEEmbedder

    _fit(RoMAEEmbedder, data, out, columns, fitting, resume)


def classify(
    data: Path,
    *,
    out: Path,
    columns: Columns,
    fitting: Fitting,
    label: str | None = None,
    labels: Path | None = None,
    class_weight: Literal["balanced"] | None = None,
    n_estimators: int = 1,
    resume: bool = False,
) -> None:
    """Train a classifier of whole series, from scratch or from a pre-trained run (--init RUN).

    Args:
        data: CSV or Parquet file, file of samples, or cache folder.
        out: folder for the run: settings, metrics as JSON lines, last and best checkpoint.
        label: column with the class, the same in all rows of a series.
        labels: a second file with a row a series, which has the columns --id and --label.
        class_weight: "balanced" gives rare classes as much weight as frequent ones.
        n_estimators: models to train from different seeds; their probabilities are averaged.
        resume: go on with the run in --out where it was stopped; the result is as if it had not been.
    """
    from rotary_mae.estimators.classifier import RoMAEClassifier

    own: dict[str, Any] = {"class_weight": class_weight, "n_estimators": n_estimators}
    _fit(RoMAEClassifier, data, out, columns, fitting, resume, target=label, labels=labels, **own)


def regress(
    data: Path,
    *,
    out: Path,
    columns: Columns,
    fitting: Fitting,
    target: Names | None = None,
    labels: Path | None = None,
    n_estimators: int = 1,
    resume: bool = False,
) -> None:
    """Train a model that predicts one or several numbers of whole series.

    Args:
        data: CSV or Parquet file, file of samples, or cache folder.
        out: folder for the run: settings, metrics as JSON lines, last and best checkpoint.
        target: column with the number (several joined by commas), the same in all rows of a series.
        labels: a second file with a row a series, which has the columns --id and --target.
        n_estimators: models to train from different seeds; their answers are averaged.
        resume: go on with the run in --out where it was stopped; the result is as if it had not been.
    """
    from rotary_mae.estimators.regressor import RoMAERegressor

    names = split(target)
    single = names[0] if names is not None and len(names) == 1 else names
    own: dict[str, Any] = {"n_estimators": n_estimators}
    _fit(RoMAERegressor, data, out, columns, fitting, resume, target=single, labels=labels, **own)


def fit_interpolator(
    data: Path,
    *,
    out: Path,
    columns: Columns,
    fitting: Fitting,
    hiding: Literal["uniform", "times", "block", "future", "channel"] = "uniform",
    hiding_fraction: float = 0.5,
    n_estimators: int = 1,
    resume: bool = False,
) -> None:
    """Train a model that gives values, and how sure it is of them, at any time (romae interpolate).

    Args:
        data: CSV or Parquet file, file of samples, or cache folder.
        out: folder for the run: settings, metrics as JSON lines, last and best checkpoint.
        hiding: what is hidden in training; choose what will be asked for: single values (uniform), all channels
            of some times (times), gaps (block), the end of a series (future), or whole channels (channel).
        hiding_fraction: the share of each series that is hidden.
        n_estimators: models to train from different seeds; they answer as one, less sure where they disagree.
        resume: go on with the run in --out where it was stopped; the result is as if it had not been.
    """
    from rotary_mae.estimators.interpolator import RoMAEInterpolator

    own: dict[str, Any] = {"hiding": hiding, "hiding_fraction": hiding_fraction, "n_estimators": n_estimators}
    _fit(RoMAEInterpolator, data, out, columns, fitting, resume, **own)


def _fit(
    kind: Any,
    data: Path,
    out: Path,
    columns: Columns,
    fitting: Fitting,
    resume: bool,
    target: Names | None = None,
    labels: Path | None = None,
    **own: Any,
) -> None:
    from rotary_mae.cli.data import is_main_process, labels_from, named_as_usual, read

    fitting.check()
    named = named_as_usual(data, columns.named({} if target is None else {"target": target}))
    reads = {k: v for k, v in named.items() if labels is None or k != "target"}
    source = read(data, reads, fitting.layout)
    y = labels_from(labels, source, named["id"], target)
    if y is None and hasattr(kind, "score") and getattr(source, "targets", None) is None:
        flag = "--target" if kind.__name__ == "RoMAERegressor" else "--label"
        raise ValueError(f"say which column holds the label: {flag} COLUMN, in {data} or in a second file --labels")
    parameters = fitting.parameters(is_shown=is_main_process())
    estimator = kind(**parameters, **own, columns=named, out=str(out), resume=resume)
    estimator.fit(source, y)
    if is_main_process():
        _tell(out, estimator)
        _keep_answers(out, data, estimator, source, y)


def _keep_answers(out: Path, data: Path, estimator: Any, source: Source, y: Any) -> None:
    """What the trained model says of its validation part, for romae report."""
    from rotary_mae.cli.data import described_data
    from rotary_mae.data.sources import Subset
    from rotary_mae.estimators.held_out import predict_held_out

    held = estimator.validation_idx_
    if not len(held):
        return
    about = {"part": "validation", **described_data(data, source)}
    predict_held_out(estimator, Subset(source, held), about, None if y is None else y[held]).save(out)


def _tell(out: Path, estimator: Any) -> None:
    result = estimator.training_
    monitor = (estimator.training or {}).get("monitor", "loss")
    best = "" if result.best is None else f"; best validation {monitor} {result.best:.4f} in epoch {result.best_epoch}"
    done = f"{len(result.history)} epochs, {result.steps} updates, {result.seconds:.0f} s"
    print(f"{out}: {done}{best}", file=sys.stderr)
    if not estimator.verbose:
        print(estimator.summary_, file=sys.stderr)


def convert(checkpoint: Path, *, out: Path) -> None:
    """A checkpoint of the paper's code as a folder that --init takes.

    The weights are the same. That code leaves the scaling of values and times to its user, so training that
    starts from it fits one to the new data (see --unit).

    Args:
        checkpoint: folder with model_config.json and model.safetensors.
        out: folder to write.
    """
    from rotary_mae.models.official import from_official

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out} is not empty; choose another folder")
    model = from_official(checkpoint)
    model.save_pretrained(out)
    print(f"{out}: {type(model).__name__}, {model.n_parameters()} parameters", file=sys.stderr)
