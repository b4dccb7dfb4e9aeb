"""What all estimators share: parameters, the model they start from, training, saving."""

from __future__ import annotations

import copy
import functools
import inspect
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any, ClassVar, Concatenate, ParamSpec, Self, TypeVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from rotary_mae.batches.masking import Masking
from rotary_mae.data.scaling import Scaling
from rotary_mae.data.sources import Source
from rotary_mae.data.tokens import TokenSet
from rotary_mae.estimators._fit.defaults import TrainingDefaults, mean_length, training_config
from rotary_mae.estimators._fit.ensemble import TrainingJob, train_members
from rotary_mae.estimators._fit.initialization import initial_model
from rotary_mae.estimators._fit.split import TrainValidationSplit
from rotary_mae.estimators._fit.time_budget import fit_in_time
from rotary_mae.estimators._predict.batched import TrainedModels
from rotary_mae.estimators.data_shift import DataProfile, DataShiftWarning, difference_of
from rotary_mae.estimators.inputs import as_source
from rotary_mae.estimators.saving import DESCRIPTION, save_estimator, write_description
from rotary_mae.evaluation.baselines import BaselineComparison
from rotary_mae.evaluation.fit_summary import FitSummary
from rotary_mae.models.pretrained import Pretrained
from rotary_mae.models.transfer import TransferReport, transfer
from rotary_mae.training.config import TrainingConfig
from rotary_mae.training.run_folder import RunFolder
from rotary_mae.training.train import TrainingResult


class RoMAEEstimator(BaseEstimator):
    """Parameters and machinery of the four estimators; they add what they predict.

    Args:
        init: where weights come from: a fitted estimator, a run folder, a model, or None for a new model.
        size: of a new model: "tiny-shallow", "tiny", "small", "base" or "large"; None: "tiny" on a GPU, on a CPU
            "tiny-shallow". An error with ``init``.
        epochs, learning_rate, batch_size: None chooses them for the number and length of the samples, so that on two
            CPU cores a few hundred series take minutes and 50 000 of 100 tokens less than an hour.
        dropout: on attention scores and hidden layers; None: 0, or as in ``init``.
        context: neighbours of its channel on each side that a token is read with (see ``RoMAEConfig``); 0 is the
            paper's model. None: as in ``init``; else 4 for series, where it helped on validation parts
            (docs/measurements.md; 8, the farther ones far, on lines of 128 measurements and more), and 0 for patches.
        layout: "measurements", "steps" or "auto", for frames and arrays; frozen at fit.
        columns: arguments of ``from_frame`` that name the columns of data frames.
        unit: distance in time (in the data's unit) that becomes 1 in the model; "auto" takes the typical one.
        validation_fraction: share of the samples that is held back to be judged on; none below 20 samples. Where it
            is a hundred or more it chooses the best weights and when to stop; else the last weights are kept, averaged.
        early_stopping: stop when the validation loss of a hundred samples or more has not fallen for long.
        max_minutes: shorten the schedule, if need be, so that ``fit`` ends in about this time. The pace is measured
            first, so two such fits need not have the same number of updates, nor the same weights; a run that is
            resumed keeps the number.
        compile: compile the token-wise parts of the model. precision: "fp32" or "bf16".
        device: "auto" (a GPU if there is one), "cpu", "cuda" or "cuda:N".
        random_state: seed; a run on a CPU repeats exactly.
        verbose: 1 shows a bar with loss, rate and time left.
        out: a folder for metrics and checkpoints of the training. resume: go on with the run in it.
        model, training: further settings of ``RoMAEConfig`` and ``TrainingConfig``, by name. Among what is chosen for
            you: averaged weights, the mean of the tokens instead of CLS (``model={"pooling": "cls"}``), label
            smoothing of 0.1 in classifiers, and for series, where labels are learned, augmentation
            (``training={"augmentation": {}}`` turns it off).

    Data may be a TokenSet or other Source, a data frame (with ``columns``), an array (n, channels, times) or
    (n, times) with NaN where nothing was observed, or a list of arrays (channels, times).
    """

    # passes over the validation part after training, which max_minutes leaves time for
    _passes_after: ClassVar[int] = 2
    n_estimators: int = 1

    _summary: FitSummary | None = None
    _comparison: BaselineComparison | None = None

    def __init__(
        self,
        *,
        init: Any = None,
        size: str | None = None,
        epochs: int | None = None,
        learning_rate: float | None = None,
        batch_size: int | None = None,
        dropout: float | None = None,
        context: int | None = None,
        layout: str = "auto",
        columns: Mapping[str, Any] | None = None,
        unit: float | str = "auto",
        validation_fraction: float = 0.1,
        early_stopping: bool = True,
        max_minutes: float | None = None,
        compile: bool = False,
        precision: str = "fp32",
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        out: str | Path | None = None,
        resume: bool = False,
        model: Mapping[str, Any] | None = None,
        training: Mapping[str, Any] | None = None,
    ) -> None:
        self.init = init
        self.size = size
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.dropout = dropout
        self.context = context
        self.layout = layout
        self.columns = columns
        self.unit = unit
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.max_minutes = max_minutes
        self.compile = compile
        self.precision = precision
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.out = out
        self.resume = resume
        self.model = model
        self.training = training

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Show a subclass's own parameters and the shared ones in one signature: people and scikit-learn read it."""
        super().__init_subclass__(**keywords)
        own = inspect.signature(cls.__init__).parameters
        if any(p.kind is p.VAR_KEYWORD for p in own.values()):
            kept = [p for p in own.values() if p.kind is not p.VAR_KEYWORD]
            shared = [p for name, p in inspect.signature(RoMAEEstimator.__init__).parameters.items() if name not in own]
            cls.__init__.__signature__ = inspect.Signature([*kept, *shared])  # type: ignore[attr-defined]

    def __sklearn_clone__(self) -> Self:
        """Unfitted copy; the estimator in ``init`` is kept fitted, as it is where the weights come from."""
        parameters = {k: v if k == "init" else copy.deepcopy(v) for k, v in self.get_params(deep=False).items()}
        return type(self)(**parameters)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name; ``init`` is one value, its own parameters are not ours."""
        parameters: dict[str, Any] = super().get_params(deep=False)
        return parameters

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def __sklearn_tags__(self) -> Tags:
        """What scikit-learn may expect: NaN is not observed, samples may have three dimensions."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = True
        return tags

    # -- reading data -----------------------------------------------------------------------------------------

    def _to_fit(self, X: Any) -> tuple[Source, Pretrained | None]:
        """Data to fit to, laid out as that of ``init`` if there is one; and the model of ``init``."""
        self._began = time.perf_counter()
        self._summary = self._comparison = None
        _check_count("n_estimators", self.n_estimators)
        initial = initial_model(self.init)
        schema = None if initial is None or initial.scaling is None else initial.scaling.schema
        if schema is not None and self.layout not in ("auto", schema.layout):
            raise ValueError(
                f"init reads data laid out as {schema.layout!r}, which layout={self.layout!r} does not go with: "
                "leave it away"
            )
        source = as_source(X, self.columns, self.layout, schema)
        if not len(source):
            raise ValueError("there are no samples to fit to; give at least one")
        return source, initial

    def read(self, X: Any) -> TokenSet:
        """Data ``X`` as a fitted estimator takes it to predict: samples laid out as in training."""
        source = self._source(X)
        return source[np.arange(len(source))]

    def _source(self, X: Any) -> Source:
        """Data to predict on, laid out as in training."""
        check_is_fitted(self)
        source = as_source(X, self.columns, self.layout, self.scaling_.schema)
        if (difference := difference_of(self.profile_, source)) is not None:
            warnings.warn(difference, DataShiftWarning, stacklevel=4)
        return source

    @property
    def scaling_(self) -> Scaling:
        """The fitted scaling of values and positions."""
        scaling = self.model_.scaling
        if scaling is None:
            raise ValueError("this model was trained without scaling; it cannot take raw data")
        return scaling

    @property
    def trained_models(self) -> TrainedModels:
        """The fitted models with what prediction needs."""
        return TrainedModels(self.models_, self.scaling_, self.device, bool(self.verbose))

    @property
    def _seed(self) -> int:
        if isinstance(self.random_state, (int, np.integer)):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    @property
    def hiding_of_training(self) -> Masking:
        """What is hidden in pre-training."""
        return TrainingConfig.from_dict({k: v for k, v in (self.training or {}).items() if k == "hiding"}).hiding

    # -- training ---------------------------------------------------------------------------------------------

    def _start_from(self, initial: Pretrained | None, model: Pretrained) -> None:
        self.transfer_: TransferReport | None = None if initial is None else transfer(initial, model)
        if self.verbose and self.transfer_ is not None:
            print(self.transfer_)

    def _train(
        self,
        model: Pretrained,
        source: Source,
        parts: TrainValidationSplit,
        scaling: Scaling,
        plan: TrainingDefaults,
        seed: int,
        sample_weight: npt.NDArray[Any] | None = None,
        initial: Pretrained | None = None,
        **fixed: Any,
    ) -> TrainingResult:
        """Train ``model`` and, for more than one of ``n_estimators``, others like it from other seeds."""
        config = training_config(
            self,
            plan,
            n_training=len(parts.training),
            n_validation=len(parts.validation),
            length=mean_length(source),
            width=model.config.width,
            is_patches=scaling.schema.patch is not None,
            is_tuning=self.init is not None or initial is not None,
            seed=seed,
            **fixed,
        )
        lesson = TrainingJob.of(source, parts, scaling, config, sample_weight)
        self.profile_: DataProfile | None = DataProfile.of(source)
        out = None if self.out is None else Path(self.out)
        if out is not None:
            # before training too: what is trained so far can be used, and is known for what it is
            RunFolder(out).check_free(self.resume)
            out.mkdir(parents=True, exist_ok=True)
            if not (self.resume and (out / DESCRIPTION).exists()):
                write_description(self, out)
        if self.max_minutes is not None:
            config = fit_in_time(lesson, model, self._seconds_left(), self.n_estimators, self._passes_after, out)
        members, self.training_ = train_members(lesson, model, initial, config, self.n_estimators, out, self.resume)
        self.validation_idx_ = parts.validation
        self._set_models(members)
        return self.training_

    def _seconds_left(self) -> float:
        if not isinstance(self.max_minutes, Real) or not self.max_minutes > 0:
            raise ValueError(f"max_minutes must be a positive number or None, got {self.max_minutes!r}")
        return 60.0 * self.max_minutes - (time.perf_counter() - self._began)

    def _set_models(self, models: Sequence[Pretrained]) -> None:
        self.models_ = list(models)
        self.model_ = self.models_[0]

    # -- judging ----------------------------------------------------------------------------------------------

    @property
    def summary_(self) -> FitSummary:
        """The validation scores of the fit; with those of baselines after ``compare_with_baselines``."""
        check_is_fitted(self)
        if self._summary is None:
            raise AttributeError("this estimator was loaded from a folder that has no summary of its fit")
        return self._summary

    def compare_with_baselines(self) -> FitSummary:
        """Train baselines on the same samples, unless they are trained, and store their scores in ``summary_``.

        Returns
        -------
        FitSummary
            The new ``summary_``.
        """
        summary = self.summary_
        if self._comparison is not None:
            summary = self._summary = self._comparison.add_to(summary)
            self._comparison = None
        return summary

    def _prepared_contest(
        self,
        source: Source,
        parts: TrainValidationSplit,
        targets: npt.NDArray[Any],
        weights: npt.NDArray[Any] | None,
        seed: int,
    ) -> BaselineComparison:
        contest = BaselineComparison.prepare(source, parts.training, parts.validation, targets, weights, seed)
        if self.max_minutes is not None and self._is_watched:
            contest.evaluate()  # now, so that what time is left for training is known
        return contest

    @property
    def _is_watched(self) -> bool:
        return bool(self.verbose) or self.out is not None

    def _finish(self, summary: FitSummary, contest: BaselineComparison | None = None) -> None:
        """The end of every fit: what it is worth. A contest is held at once if someone looks, later if not."""
        self._summary, self._comparison = summary, contest
        if self._is_watched:
            summary = self.compare_with_baselines()
        if self.verbose:
            print(summary, file=sys.stderr)
        if self.out is not None:
            write_description(self, Path(self.out))

    # -- saving -----------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the fitted estimator to a folder that ``rotary_mae.load`` reads; no pickle in it.

        An estimator that is there already is replaced, other files stay. ``init`` is not written: its weights are in
        the model.
        """
        check_is_fitted(self)
        save_estimator(self, Path(path))

    def _fitted(self) -> dict[str, Any]:
        """Fitted attributes beside the model, as JSON can hold them."""
        return {}

    def _restore(self, fitted: dict[str, Any], model: Pretrained) -> None:
        """Become what ``write_description`` wrote; ``model`` is the first member."""
        self._set_models([model])
        self.transfer_ = None

    def _restore_about(self, described: dict[str, Any], models: Sequence[Pretrained]) -> None:
        """Take up what is not of one kind of estimator: all members, the profile of the data and the summary."""
        self._set_models(models)
        self.profile_ = DataProfile.from_json(described.get("profile"))
        summary = described.get("summary")
        self._summary = None if summary is None else FitSummary.from_json(summary)


def _check_count(name: str, given: Any) -> None:
    if isinstance(given, bool) or not isinstance(given, int | np.integer) or given < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {given!r}")


Parameters = ParamSpec("Parameters")

Estimator = TypeVar("Estimator")

Fit = Callable[Concatenate[Estimator, Parameters], Estimator]


def restore_on_failure(fit: Fit[Estimator, Parameters]) -> Fit[Estimator, Parameters]:
    """``fit`` that puts all attributes back if it fails or is interrupted: an old model must not meet new classes."""

    @functools.wraps(fit)
    def whole(self: Estimator, *args: Parameters.args, **options: Parameters.kwargs) -> Estimator:
        before: dict[str, Any] = dict(vars(self))
        try:
            return fit(self, *args, **options)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    return whole
