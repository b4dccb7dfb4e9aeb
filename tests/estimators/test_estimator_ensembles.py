"""Ensembles: several models from different seeds that predict together."""

import copy
import json

import numpy as np
import pytest

import rotary_mae as rm
from rotary_mae.estimators._fit.split import TrainValidationSplit
from tests.estimators.small import COLUMNS, grid, light_curves, predictions, quick, series
from tests.training.runs import WatchedSource, request_shutdown

KINDS = (rm.RoMAEClassifier, rm.RoMAERegressor)


def targets_of(kind, y):
    return y if kind is rm.RoMAEClassifier else np.where(y == "rises", 1.0, -1.0)


def outputs(estimator, X):
    return estimator.predict_proba(X) if hasattr(estimator, "predict_proba") else estimator.predict(X)


@pytest.fixture(scope="module")
def three():
    X, y = series()
    return {kind: kind(n_estimators=3, **quick()).fit(X, targets_of(kind, y)) for kind in KINDS}


def test_the_first_member_is_the_single_estimator_and_the_others_differ(three):
    X, y = series()
    for kind, ensemble in three.items():
        single = kind(**quick()).fit(X, targets_of(kind, y))
        assert len(single.models_) == 1
        assert len(ensemble.models_) == 3
        assert ensemble.model_ is ensemble.models_[0]
        weights = [dict(model.named_parameters())["head.linear.weight"] for model in ensemble.models_]
        assert np.array_equal(
            weights[0].detach(), dict(single.model_.named_parameters())["head.linear.weight"].detach()
        )
        assert not np.allclose(weights[0].detach(), weights[1].detach())
        assert not np.allclose(weights[1].detach(), weights[2].detach())


def alone(ensemble, i):
    """Return a copy of the estimator with a single member."""
    one = copy.deepcopy(ensemble)
    one.models_, one.model_ = [ensemble.models_[i]], ensemble.models_[i]
    return one


def test_probabilities_are_the_mean_of_the_members(three):
    X, _ = series(7, seed=3)
    clf = three[rm.RoMAEClassifier]
    members = [alone(clf, i) for i in range(3)]
    for member in members:
        member.temperature_ = 1.0
    each = [member.predict_proba(X) for member in members]
    # the temperature is that of the mean, so that the class is that of the mean
    scaled = np.mean(each, axis=0) ** (1.0 / clf.temperature_)
    np.testing.assert_allclose(clf.predict_proba(X), scaled / scaled.sum(axis=1, keepdims=True), atol=1e-6)
    np.testing.assert_array_equal(clf.predict(X), clf.classes_[np.mean(each, axis=0).argmax(1)])
    assert (np.sign(clf.decision_function(X)) == np.sign(np.mean(each, axis=0)[:, 1] - 0.5)).all()


def test_predicted_numbers_are_moments_of_the_mixture(three):
    X, _ = series(7, seed=3)
    reg = three[rm.RoMAERegressor]
    each = [alone(reg, i).predict(X, return_std=True) for i in range(3)]
    means, stds = np.array([m for m, _ in each]), np.array([s / reg.std_factor_ for _, s in each])
    mean, std = reg.predict(X, return_std=True)
    np.testing.assert_allclose(mean, means.mean(0), atol=1e-6)
    variance = (stds**2 + means**2).mean(0) - means.mean(0) ** 2
    np.testing.assert_allclose(std / reg.std_factor_, np.sqrt(variance), rtol=1e-4)


def test_all_members_are_saved_and_loaded(three, tmp_path):
    X, _ = series(7, seed=3)
    for kind, ensemble in three.items():
        ensemble.save(tmp_path / kind.__name__)
        again = rm.load(tmp_path / kind.__name__)
        np.testing.assert_array_equal(outputs(again, X), outputs(ensemble, X))
        again.save(tmp_path / "again")
        np.testing.assert_array_equal(outputs(rm.load(tmp_path / "again"), X), outputs(ensemble, X))
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert {p.suffix for p in files} == {".json", ".safetensors"}
    # an ensemble in init gives the weights of its first member
    started = rm.RoMAEClassifier(init=tmp_path / "RoMAEClassifier", **quick()).fit(*series())
    by_object = rm.RoMAEClassifier(init=three[rm.RoMAEClassifier], **quick()).fit(*series())
    np.testing.assert_array_equal(outputs(started, X), outputs(by_object, X))


@pytest.mark.parametrize("stop_at", [6, 26, 46], ids=["first member", "second member", "third member"])
def test_a_resumed_run_of_an_ensemble_is_as_an_uninterrupted_one(stop_at, tmp_path):
    X, y = series()
    tokens = rm.from_arrays(X, targets=(y == "rises").astype(int))
    settings = quick(epochs=4, batch_size=5, dropout=0.2, n_estimators=3, validation_fraction=0.0)
    whole = rm.RoMAEClassifier(**settings).fit(tokens)
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        rm.RoMAEClassifier(out=out, **settings).fit(WatchedSource(tokens, stop_at, request_shutdown))
    n_members = 1 + len(list(out.glob("members/*")))
    assert n_members == {6: 1, 26: 2, 46: 3}[stop_at]
    if n_members < 3:
        with pytest.warns(UserWarning, match=f"holds {n_members} of 3 members"):
            assert len(rm.load(out).models_) == n_members
    resumed = rm.RoMAEClassifier(out=out, resume=True, **settings).fit(tokens)
    np.testing.assert_array_equal(resumed.predict_proba(X), whole.predict_proba(X))
    np.testing.assert_array_equal(rm.load(out).predict_proba(X), whole.predict_proba(X))
    # every member has a run folder of its own
    assert json.loads((out / "members" / "2" / "run.json").read_text())["training"]["epochs"] == 4


def test_every_member_has_the_weights_of_init_and_the_same_validation_set(fitted):
    df = light_curves(40)
    settings = {"init": fitted["embedder"], "columns": COLUMNS, **quick(epochs=1, learning_rate=1e-12)}
    clf = rm.RoMAEClassifier(n_estimators=2, **settings).fit(df)
    expected = fitted["embedder"].model_.encoder.state_dict()
    for model in clf.models_:
        for name, weight in model.encoder.state_dict().items():
            np.testing.assert_allclose(weight, expected[name], atol=1e-6)
    assert clf.summary_.n_validation == 4


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "3"])
def test_an_invalid_number_of_members_is_a_clear_error(n):
    X, y = series()
    with pytest.raises(ValueError, match="n_estimators must be a whole number of at least 1"):
        rm.RoMAEClassifier(n_estimators=n, **quick()).fit(X, y)


# -- interpolators ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def interpolators():
    """Return an ensemble of two members, and the first of them alone."""
    df, settings = light_curves(), quick(columns=COLUMNS, epochs=5)
    return tuple(rm.RoMAEInterpolator(n_estimators=n, **settings).fit(df) for n in (2, 1))


def uncalibrated(interpolator):
    """Return a copy with the standard deviations of the models."""
    bare = copy.deepcopy(interpolator)
    bare.calibration_ = type(bare.calibration_).uncalibrated(1)
    return bare


def test_interpolated_values_are_moments_of_the_mixture(interpolators):
    pair, _ = interpolators
    df, bare = light_curves(5, seed=1), uncalibrated(pair)
    each = np.stack([predictions(alone(bare, i), df) for i in range(2)])
    means, stds = each[..., 0], each[..., 1]
    assert np.abs(means[0] - means[1]).max() > 0.1
    together = predictions(bare, df)
    np.testing.assert_allclose(together[:, 0], means.mean(0), rtol=1e-5)
    expected = np.sqrt((stds**2).mean(0) + means.var(0))
    np.testing.assert_allclose(together[:, 1], expected, rtol=1e-4)


def test_the_calibration_is_that_of_the_mixture(interpolators):
    pair, single = interpolators
    df = light_curves(5, seed=1)
    np.testing.assert_allclose(predictions(alone(uncalibrated(pair), 0), df), predictions(uncalibrated(single), df))
    assert pair.calibration_.held_out == single.calibration_.held_out == "series"
    again = copy.deepcopy(pair)
    of_pair = copy.deepcopy(pair.calibration_.to_dict())
    again._calibrate(again.read(light_curves()), _split_of(pair), None, 0)
    assert again.calibration_.to_dict() == of_pair
    again.models_ = pair.models_[:1]
    again._calibrate(again.read(light_curves()), _split_of(pair), None, 0)
    assert again.calibration_.to_dict() == single.calibration_.to_dict() != of_pair


def _split_of(interpolator):
    validation = interpolator.validation_idx_
    return TrainValidationSplit(np.setdiff1d(np.arange(24), validation), validation)


def test_every_method_of_an_interpolator_uses_all_members(interpolators, tmp_path):
    pair, _ = interpolators
    df = light_curves(5, seed=1)
    gappy = df.assign(flux=df["flux"].where(np.arange(len(df)) % 4 > 0))
    last = df.groupby("object_id", as_index=False)["mjd"].max().assign(band="g")
    future = last.assign(mjd=last["mjd"] + 3.0)

    def all_predictions(interpolator):
        with pytest.warns(UserWarning, match="not trained to forecast"):
            ahead = interpolator.forecast(df, future, return_std=True)[["value", "std"]]
        return (
            ahead.to_numpy(),
            interpolator.impute(gappy)[["flux", "std"]].to_numpy()[gappy["flux"].isna()],
            interpolator.anomaly_score(df, per="series"),
            np.stack([interpolator.predict(df, grid(df), quantiles=[0.05, 0.9])[q] for q in ("q05", "q90")]),
        )

    together, first = all_predictions(pair), all_predictions(alone(pair, 0))
    assert all(not np.allclose(a, b) for a, b in zip(together, first, strict=True))
    pair.save(tmp_path / "pair")
    again = rm.load(tmp_path / "pair")
    assert len(again.models_) == 2
    for a, b in zip(together, all_predictions(again), strict=True):
        np.testing.assert_array_equal(a, b)
    assert again.summary_.scores == pair.summary_.scores
