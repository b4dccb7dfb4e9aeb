"""Scaling, settings and statistics of targets come from the training set alone, or from ``init``."""

import numpy as np
import pytest
import torch

import rotary_mae as rm
from rotary_mae.estimators._fit.initialization import scaling_for
from rotary_mae.evaluation.conformal_scores import withhold_values
from tests.estimators.small import quick, series

N = 40

KINDS = [rm.RoMAEEmbedder, rm.RoMAEClassifier, rm.RoMAERegressor, rm.RoMAEInterpolator]


def samples(layout="measurements"):
    X, names = series(N)
    return rm.from_arrays(X, layout=layout), names, np.linspace(-3.0, 5.0, N) ** 3


def fitted(kind, tokens, names, numbers, **changes):
    settings = quick(epochs=1, validation_fraction=0.25, **changes)
    if kind is rm.RoMAEClassifier:
        settings["class_weight"] = "balanced"
    return kind(**settings).fit(tokens, names if kind is rm.RoMAEClassifier else numbers)


def with_wild(tokens, changed):
    """The samples with values, heavy tails and times in some of them that would change every statistic."""
    is_changed = np.isin(tokens.sample_idx, changed)[:, None]
    values = np.where(is_changed, 50.0 + 1e4 * np.sign(tokens.values) * np.abs(tokens.values) ** 9, tokens.values)
    stretch = np.ones(tokens.positions.shape[1])
    stretch[0] = 1e3
    return tokens.replace(values=values, positions=np.where(is_changed, tokens.positions * stretch, tokens.positions))


@pytest.mark.parametrize("layout", ["measurements", "steps"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_validation_samples_change_nothing_that_is_fitted(kind, layout):
    tokens, names, numbers = samples(layout)
    one = fitted(kind, tokens, names, numbers)
    changed = one.validation_idx_
    assert len(changed) == N // 4 or kind is rm.RoMAEInterpolator
    numbers = numbers.copy()
    numbers[changed] += 1e4
    other = fitted(kind, with_wild(tokens, changed), names, numbers)
    assert other.validation_idx_.tolist() == changed.tolist()
    assert other.scaling_ == one.scaling_
    assert other.model_.config == one.model_.config
    if kind is rm.RoMAERegressor:
        assert other.target_mean_.tolist() == one.target_mean_.tolist()
        assert other.target_scale_.tolist() == one.target_scale_.tolist()
    # the same training too
    for weight, changed_weight in zip(one.model_.parameters(), other.model_.parameters(), strict=True):
        assert torch.equal(weight, changed_weight)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_training_samples_do_change_the_scaling(kind):
    tokens, names, numbers = samples()
    one = fitted(kind, tokens, names, numbers)
    training = np.setdiff1d(np.arange(N), one.validation_idx_)
    other = fitted(kind, with_wild(tokens, training), names, numbers)
    assert other.scaling_.center != one.scaling_.center
    assert other.scaling_.unit != one.scaling_.unit
    assert other.model_.config.compress
    assert not one.model_.config.compress


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_of_the_samples_is_drawn_from_the_training_set(kind, monkeypatch):
    monkeypatch.setitem(rm.Scaling.fit.__kwdefaults__, "max_samples", 7)
    tokens, names, numbers = samples()
    estimator = fitted(kind, tokens, names, numbers)
    training = np.setdiff1d(np.arange(N), estimator.validation_idx_)
    assert estimator.scaling_ == rm.Scaling.fit(tokens[training])
    assert estimator.scaling_ != rm.Scaling.fit(tokens)


def test_values_that_are_withheld_for_calibration_do_not_change_the_scaling():
    X, _ = series(6)
    tokens = rm.from_arrays(X, layout="measurements")
    one = rm.RoMAEInterpolator(**quick(epochs=1)).fit(tokens)
    assert one.calibration_.held_out == "values"
    kept = tokens.select_tokens(~withhold_values(tokens, 0))
    assert one.scaling_ == rm.Scaling.fit(kept)
    assert one.scaling_ != rm.Scaling.fit(tokens)


def test_targets_are_scaled_by_the_weighted_training_targets():
    tokens, _, numbers = samples()
    weights = np.arange(N) + 1.0
    regressor = rm.RoMAERegressor(**quick(epochs=1, validation_fraction=0.25))
    regressor.fit(tokens, numbers, sample_weight=weights)
    training = np.setdiff1d(np.arange(N), regressor.validation_idx_)
    mean = np.average(numbers[training], weights=weights[training])
    assert regressor.target_mean_ == pytest.approx([mean])
    std = np.sqrt(np.average((numbers[training] - mean) ** 2, weights=weights[training]))
    assert regressor.target_scale_ == pytest.approx([std])


@pytest.mark.filterwarnings("ignore")
def test_pre_training_for_missing_labels_leaves_the_validation_set_out():
    tokens, names, _ = samples()
    partly = names.astype(object)
    partly[::5] = None
    groups = np.arange(N) // 2
    one = rm.RoMAEClassifier(**quick(epochs=1, validation_fraction=0.25)).fit(tokens, partly, groups=groups)
    # unlabelled samples of the groups in the validation set are left out too
    in_groups = np.flatnonzero(np.isin(groups, groups[one.validation_idx_]))
    other = rm.RoMAEClassifier(**quick(epochs=1, validation_fraction=0.25))
    other.fit(with_wild(tokens, in_groups), partly, groups=groups)
    assert other.scaling_ == one.scaling_
    for weight, changed in zip(one.model_.parameters(), other.model_.parameters(), strict=True):
        assert torch.equal(weight, changed)


@pytest.mark.filterwarnings("ignore")
def test_the_scaling_of_init_stays():
    tokens, names, numbers = samples()
    embedder = fitted(rm.RoMAEEmbedder, tokens, names, numbers)
    changed = with_wild(tokens, np.arange(N))
    for kind in KINDS:
        estimator = kind(**{**quick(epochs=1), "model": None, "init": embedder})
        estimator.fit(changed, names if kind is rm.RoMAEClassifier else numbers)
        assert estimator.scaling_ == embedder.scaling_
    assert scaling_for(changed, embedder.model_, "auto") == embedder.scaling_
