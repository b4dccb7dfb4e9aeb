"""Shared parts of the estimators: reading data, training, comparison with baselines, saving."""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from rotary_mae._warnings import warn_caller
from rotary_mae.batches.masking import Masking
from rotary_mae.data.scaling import Scaling
from rotary_mae.data.sources import Source, Subset
from rotary_mae.data.tokens import TokenSet
from rotary_mae.estimators._fit.defaults import (
    TrainingConditions,
    TrainingDefaults,
    mean_length,
    model_config,
    training_config,
)
from rotary_mae.estimators._fit.ensemble import TrainingJob, train_members
from rotary_mae.estimators._fit.initialization import initial_model, seeded_model
from rotary_mae.estimators._fit.split import TrainValidationSplit
from rotary_mae.estimators._fit.time_budget import fit_in_time
from rotary_mae.estimators._predict.batched import TrainedModels, pick_device
from rotary_mae.estimators.data_shift import DataProfile, DataShiftWarning, describe_shift
from rotary_mae.estimators.inputs import as_source, check_samples
from rotary_mae.estimators.saving import DESCRIPTION, FittedEstimator
from rotary_mae.evaluation.baselines import BaselineComparison
from rotary_mae.evaluation.fit_summary import FitSummary
from rotary_mae.models.config import RoMAEConfig
from rotary_mae.models.pretrained import Pretrained
from rotary_mae.models.transfer import TransferReport, transfer
from rotary_mae.training.config import TrainingConfig
from rotary_mae.training.run_folder import RunFolder
from rotary_mae.training.trainer import TrainingResult

Array = npt.NDArray[Any]

# Samples on disk whose times are compared, evenly distributed over the data. Not tuned.
MAX_CHECKED_SAMPLES = 2_000


class RoMAEEstimator(BaseEstimator):
    """Shared parts of the four estimators, which describe their parameters and fitted attributes.

    Attributes
    ----------
    predicts_targets : bool
        True for estimators that predict labels or numbers of whole samples, and are fitted with ``y``.
    """

    predicts_targets: ClassVar[bool] = False

    # evaluations on the validation set after training, which ``max_minutes`` leaves time for
    _n_evaluations_after_training: ClassVar[int] = 2

    # parameters of all estimators
    columns: Mapping[str, Any] | None
    layout: Literal["auto", "measurements", "steps"]
    unit: float | Literal["auto"]
    validation_fraction: float
    init: Any
    size: str | None
    context: int | None
    dropout: float | None
    model: Mapping[str, Any] | None
    epochs: int | None
    learning_rate: float | None
    batch_size: int | None
    n_estimators: int = 1
    early_stopping: bool
    max_minutes: float | None
    training: Mapping[str, Any] | None
    precision: Literal["fp32", "bf16"]
    compile: bool
    device: str
    random_state: int | np.random.RandomState | None
    verbose: int
    out: str | Path | None
    resume: bool

    model_: Pretrained
    models_: Sequence[Pretrained]
    training_: TrainingResult
    transfer_: TransferReport | None
    validation_idx_: npt.NDArray[np.int64]
    summary_: FitSummary
    profile_: DataProfile | None

    # inputs of the baselines; None for a loaded estimator, and where none are trained
    _comparison: BaselineComparison | None = None

    # -- scikit-learn -----------------------------------------------------------------------------------------

    def __sklearn_clone__(self) -> Self:
        """Return an unfitted copy whose ``init`` is the same object: a fitted ``init`` stays fitted."""
        parameters = {k: v if k == "init" else copy.deepcopy(v) for k, v in self.get_params(deep=False).items()}
        return type(self)(**parameters)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor parameters.

        Parameters
        ----------
        deep : bool
            Not used: the parameters of an estimator in ``init`` are not included.

        Returns
        -------
        dict
            Parameters by name.
        """
        parameters: dict[str, Any] = super().get_params(deep=False)
        return parameters

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def __sklearn_tags__(self) -> Tags:
        """Return the tags of scikit-learn: NaN is allowed, and samples may have three dimensions."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = True
        return tags

    # -- data -------------------------------------------------------------------------------------------------

    def read(self, X: Any) -> TokenSet:
        """Return samples as the fitted estimator reads them to predict, before scaling.

        Parameters
        ----------
        X : TokenSet, Source, data frame, array, or list of arrays
            B samples, as in ``fit``.

        Returns
        -------
        TokenSet
            B samples in the layout of the fit.
        """
        source = self._source(X)
        return source[np.arange(len(source))]

    def _source(self, X: Any) -> Source:
        """Return samples to predict on, in the layout of the fit; warn if they differ from the samples of the fit."""
        check_is_fitted(self)
        source = X if isinstance(X, TokenSet) else as_source(X, self.columns, self.layout, self.scaling_.schema)
        check_samples(len(source), source.schema, self.scaling_.schema)
        if (difference := describe_shift(self.profile_, source)) is not None:
            warn_caller(difference, DataShiftWarning)
        warn_of_merged(source, self.scaling_)
        return source

    @property
    def scaling_(self) -> Scaling:
        """Scaling of values and positions that was fitted to the data.

        Raises ValueError if the model has none.
        """
        scaling = self.model_.scaling
        if scaling is None:
            raise ValueError("this model was trained without scaling; it cannot take raw data")
        return scaling

    @property
    def trained_models(self) -> TrainedModels:
        """The fitted models with the values that prediction needs."""
        return TrainedModels(self.models_, self.scaling_, self.device, bool(self.verbose))

    @property
    def hiding_of_training(self) -> Masking:
        """Masking of pre-training."""
        return TrainingConfig.from_dict({k: v for k, v in (self.training or {}).items() if k == "hiding"}).hiding

    # -- fit --------------------------------------------------------------------------------------------------

    def _start_fit(self, X: Any) -> tuple[Source, Pretrained | None]:
        """Return the samples of ``X``, in the layout of ``init`` if there is one, and the model of ``init``."""
        self._fit_started = time.perf_counter()
        for name in ("summary_", "profile_"):
            self.__dict__.pop(name, None)
        self._comparison = None
        _check_count("n_estimators", self.n_estimators)
        initial = initial_model(self.init)
        schema = None if initial is None or initial.scaling is None else initial.scaling.schema
        if schema is not None and self.layout not in ("auto", schema.layout):
            raise ValueError(
                f"init was trained on data with layout={schema.layout!r}, got layout={self.layout!r}: leave it out"
            )
        source = as_source(X, self.columns, self.layout, schema)
        if not len(source):
            raise ValueError("there are no samples to fit to; give at least one")
        return source, initial

    def _draw_seed(self) -> int:
        if isinstance(self.random_state, (int, np.integer)):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    @property
    def _is_gpu(self) -> bool:
        return pick_device(self.device).type == "cuda"

    def _model_config(
        self, scaling: Scaling, initial: Pretrained | None, length: float = 0.0, **fixed: Any
    ) -> RoMAEConfig:
        """Return the configuration of a new model; ``fixed`` are fields that the kind of estimator sets."""
        given = {k: v for k in ("dropout", "context") if (v := getattr(self, k)) is not None} | dict(self.model or {})
        return model_config(scaling, initial, length=length, size=self.size, is_gpu=self._is_gpu, given=given, **fixed)

    def _new_model(self, make: Callable[[], Pretrained], seed: int, initial: Pretrained | None) -> Pretrained:
        """Return ``make()`` with random initial weights by ``seed``, replaced by those of ``initial`` where shared."""
        model: Pretrained = seeded_model(seed, make)
        self.transfer_ = None if initial is None else transfer(initial, model)
        if self.verbose and self.transfer_ is not None:
            print(self.transfer_)
        return model

    def _train(
        self,
        model: Pretrained,
        source: Source,
        split: TrainValidationSplit,
        scaling: Scaling,
        defaults: TrainingDefaults,
        seed: int,
        *,
        sample_weight: Array | None = None,
        initial: Pretrained | None = None,
        prepare_baselines: Callable[[], BaselineComparison] | None = None,
        **fixed: Any,
    ) -> None:
        """Train ``model`` and the other members of the ensemble.

        prepare_baselines: reads the samples that the baselines are trained on. fixed: settings of training that the
        kind of estimator sets.
        """
        warn_of_merged(source, scaling)
        config = self._training_config(model, source, split, scaling, defaults, seed, initial, fixed)
        job = TrainingJob.of(source, split, scaling, config, sample_weight)
        out = None if self.out is None else RunFolder(self.out).path

        def describe_samples() -> None:
            self.profile_ = DataProfile.of(source)
            self._comparison = None if prepare_baselines is None else prepare_baselines()

        # first where a stopped run must be usable, and where the time that is left for training depends on it
        is_described_first = out is not None or self.max_minutes is not None
        if is_described_first:
            describe_samples()
        if out is not None:
            self._open_run(out)
        if self.max_minutes is not None:
            if self._is_reported and self._comparison is not None:
                self._comparison.evaluate()
            seconds, n_after = self._seconds_left(), self._n_evaluations_after_training
            config = fit_in_time(job, model, seconds, self.n_estimators, n_after, out)
        self.models_, self.training_ = train_members(job, model, initial, config, self.n_estimators, out, self.resume)
        self.model_ = self.models_[0]
        self.validation_idx_ = split.validation
        if not is_described_first:
            describe_samples()

    def _training_config(
        self,
        model: Pretrained,
        source: Source,
        split: TrainValidationSplit,
        scaling: Scaling,
        defaults: TrainingDefaults,
        seed: int,
        initial: Pretrained | None,
        fixed: Mapping[str, Any],
    ) -> TrainingConfig:
        """Return the settings of training: defaults, then parameters, then ``training``, then ``fixed``."""
        conditions = TrainingConditions(
            n_training=len(split.training),
            n_validation=len(split.validation),
            length=mean_length(Subset(source, split.training)),
            width=model.config.width,
            is_patches=scaling.schema.patch is not None,
            is_pretrained=initial is not None,
            is_gpu=self._is_gpu,
        )
        names = ("epochs", "learning_rate", "batch_size", "device", "precision", "compile")
        given = {name: value for name in names if (value := getattr(self, name)) is not None}
        given |= {"seed": seed, "progress": bool(self.verbose), **(self.training or {}), **fixed}
        return training_config(defaults, conditions, self.early_stopping, given)

    def _open_run(self, out: Path) -> None:
        """Check the folder of the run, and describe the estimator in it: checkpoints of a stopped run can be loaded."""
        RunFolder(out).check_free(self.resume)
        out.mkdir(parents=True, exist_ok=True)
        if not (self.resume and (out / DESCRIPTION).exists()):
            FittedEstimator.of(self).write(out)

    def _seconds_left(self) -> float:
        if not isinstance(self.max_minutes, Real) or not self.max_minutes > 0:
            raise ValueError(f"max_minutes must be a positive number or None, got {self.max_minutes!r}")
        return 60.0 * self.max_minutes - (time.perf_counter() - self._fit_started)

    # -- summary ----------------------------------------------------------------------------------------------

    @property
    def _is_reported(self) -> bool:
        """True if ``fit`` prints or writes its summary."""
        return bool(self.verbose) or self.out is not None

    def _finish(self, summary: FitSummary) -> None:
        """Set ``summary_`` at the end of a fit; print it if ``verbose`` and write it if ``out`` is set."""
        self.summary_ = summary
        if self._is_reported:
            self.compare_with_baselines()
        if self.verbose:
            print(self.summary_, file=sys.stderr)
        if self.out is not None:
            FittedEstimator.of(self).write(Path(self.out))

    def compare_with_baselines(self) -> FitSummary:
        """Add the validation scores of baselines to ``summary_``.

        Classifiers and regressors are compared with a random forest on features and a ridge model on random
        convolutions, trained on the same training set: this takes seconds, at the first call. Embedders and
        interpolators are compared with the mean of each channel and with linear interpolation. ``fit`` calls this
        method if it prints (``verbose``) or writes (``out``).

        Returns
        -------
        FitSummary
            The new ``summary_``. Print it to see the scores side by side.

        Raises
        ------
        ValueError
            If the estimator was loaded from a folder that has no scores of baselines: the data are not in it.
        """
        check_is_fitted(self)
        if self._comparison is not None:
            self.summary_ = self._comparison.add_to(self.summary_)
        elif not hasattr(self, "summary_"):
            raise ValueError("this estimator was loaded from a run whose training was stopped: resume it first")
        elif self.predicts_targets and self.summary_.scores and not self.summary_.baselines:
            raise ValueError(
                "this estimator was loaded from a folder without scores of baselines, and the training data are not in "
                "it: call compare_with_baselines() after fit, before save()"
            )
        return self.summary_

    # -- folders ----------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the fitted estimator to a folder that ``rotary_mae.load`` reads; it has no pickle in it.

        An estimator in the folder is replaced as a whole; other files stay. ``init`` is not written, because its
        weights are in the model. The summary is written as it is: call ``compare_with_baselines`` before, to have the
        scores of baselines in it.

        Parameters
        ----------
        path : path
            Folder; it is made if it does not exist.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        FileExistsError
            If ``path`` is a file.
        """
        check_is_fitted(self)
        FittedEstimator.of(self).save(self.models_, Path(path))


def warn_of_merged(source: Source, scaling: Scaling) -> None:
    """Warn if times of a sample that differ are equal for the model; of sources on disk, some samples are checked."""
    if not scaling.schema.continuous_axes:
        return
    tokens = source
    if not isinstance(tokens, TokenSet):
        is_in_memory = isinstance(source, Subset) and isinstance(source.source, TokenSet)
        n = len(source) if is_in_memory else min(len(source), MAX_CHECKED_SAMPLES)
        tokens = source[np.linspace(0, len(source) - 1, n).round().astype(np.int64)]
    if (text := scaling.describe_merged(tokens)) is not None:
        warn_caller(text)


def _check_count(name: str, given: Any) -> None:
    if isinstance(given, bool) or not isinstance(given, int | np.integer) or given < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {given!r}")
