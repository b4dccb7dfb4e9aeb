"""Values that overflow and weights that are not finite: an error or NaN that names the sample, never a class."""

import numpy as np
import pandas as pd
import pytest
import torch

import rotary_mae as rm
from tests.estimators.small import MODEL, labels_of, light_curves, quick, series

IDS = [f"s{i}" for i in range(24)]


def tiny_fluxes() -> np.ndarray:
    """Series (24, 2, 9) in units in which -999 is 1e20 standard deviations."""
    return 1e-17 * np.random.default_rng(0).normal(size=(24, 2, 9))


def tokens_of(X: np.ndarray) -> rm.TokenSet:
    return rm.from_arrays(X, ids=IDS, channels=["flux", "rate"])


FITS = {
    "embedder": lambda X: rm.RoMAEEmbedder(**quick(epochs=1)).fit(X),
    "classifier": lambda X: rm.RoMAEClassifier(**quick(epochs=1)).fit(X, [0, 1] * 12),
    "regressor": lambda X: rm.RoMAERegressor(**quick(epochs=1)).fit(X, np.arange(24.0)),
    "interpolator": lambda X: rm.RoMAEInterpolator(**quick(epochs=1)).fit(X),
}

NAMES_THE_VALUE = r"sample 's1' has the value -999 in channel 'rate', .* code for a missing value"


@pytest.mark.parametrize("kind", FITS)
def test_a_value_that_overflows_once_scaled_is_named_at_fit_and_at_prediction(kind):
    X = tiny_fluxes()
    bad = X.copy()
    bad[1, 1, 3] = -999.0
    with pytest.raises(ValueError, match=NAMES_THE_VALUE):
        FITS[kind](tokens_of(bad))
    estimator, tokens = FITS[kind](tokens_of(X)), tokens_of(bad)
    calls = {
        "embedder": [lambda: estimator.transform(tokens), lambda: estimator.score(tokens)],
        "classifier": [
            lambda: estimator.predict(tokens),
            lambda: estimator.predict_proba(tokens),
            lambda: estimator.score(tokens, [0, 1] * 12),
            lambda: rm.evaluate(estimator, tokens, [0, 1] * 12),
        ],
        "regressor": [lambda: estimator.predict(tokens), lambda: estimator.predict(tokens, return_std=True)],
        "interpolator": [
            lambda: estimator.predict(tokens, at=[[2.5]] * 24),
            lambda: estimator.anomaly_score(tokens),
        ],
    }
    for call in calls[kind]:
        with pytest.raises(ValueError, match=NAMES_THE_VALUE):
            call()


@pytest.mark.parametrize("value", [-1e20, 1e30])
def test_values_of_steps_errors_and_covariates_that_overflow_are_named(value):
    frame = pd.DataFrame({"id": np.repeat(IDS, 5), "time": np.tile(np.arange(5.0), 24)})
    for name in ("a", "b"):
        frame[name] = np.random.default_rng(0).normal(size=120)
    frame["e"], frame["z"] = 0.1, np.repeat(np.arange(24.0), 5)
    frame.loc[0, "b"] = value
    wide = rm.from_frame(frame, id="id", time="time", value=["a", "b"], layout="steps")
    with pytest.raises(ValueError, match=r"sample 's0' has the value .*e\+\d\d in channel 'b'"):
        rm.Scaling.fit(wide)
    frame.loc[0, "b"] = 0.0
    frame.loc[7, "e"] = abs(value)
    with pytest.raises(ValueError, match=r"sample 's1' has the value .*e\+\d\d \(error\)"):
        rm.Scaling.fit(rm.from_frame(frame, id="id", time="time", value="a", error="e"))
    frame["e"] = 0.1
    frame.loc[10:14, "z"] = value
    with pytest.raises(ValueError, match=r"sample 's2' has the value .*e\+\d\d of covariate 'z'"):
        rm.Scaling.fit(rm.from_frame(frame, id="id", time="time", value="a", static=["z"]))


def test_a_position_that_overflows_is_named():
    X, times = tiny_fluxes(), np.tile(np.arange(9.0), (24, 1))
    scaling = rm.Scaling.fit(rm.from_arrays(X, times, ids=IDS))
    times[4, 8] = 1e300
    with pytest.raises(ValueError, match=r"sample 's4' has the position 1e\+300 on the axis 'time'"):
        scaling.apply(rm.from_arrays(X, times, ids=IDS))


def test_large_values_within_the_range_are_taken():
    X, y = series()
    X[1, 0, 3] = 1e12
    clf = rm.RoMAEClassifier(**quick(epochs=1)).fit(X, y)
    assert np.isfinite(clf.predict_proba(X)).all()


def broken(estimator):
    """The estimator with a weight that is NaN."""
    with torch.no_grad():
        next(estimator.model_.encoder.parameters())[:] = np.nan
    return estimator


def test_weights_that_are_not_finite_give_no_class_and_no_number():
    X, y = series()
    message = r"predictions for the samples 0, 1, 2 and 21 others are NaN or infinite: the weight 'encoder\.\w+'"
    clf = broken(rm.RoMAEClassifier(**quick(epochs=1)).fit(X, y))
    for call in (clf.predict, clf.predict_proba, clf.decision_function, lambda X: clf.score(X, y)):
        with pytest.raises(ValueError, match=message):
            call(X)
    reg = broken(rm.RoMAERegressor(**quick(epochs=1)).fit(X, X.mean((1, 2))))
    for call in (reg.predict, lambda X: reg.predict(X, quantiles=[0.5])):
        with pytest.raises(ValueError, match=message):
            call(X)
    embedder = broken(rm.RoMAEEmbedder(**quick(epochs=1)).fit(X))
    with pytest.raises(ValueError, match=message):
        embedder.transform(X)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_an_interpolator_predicts_nan_and_names_the_samples():
    df = light_curves()
    columns = {"id": "object_id", "time": "mjd", "channel": "band", "value": "flux"}
    interpolator = rm.RoMAEInterpolator(columns=columns, **quick(epochs=1)).fit(df)
    at = pd.DataFrame({"object_id": ["sn001", "sn003"], "mjd": [59_003.0, 1e300], "band": "g"})
    with pytest.raises(ValueError, match=r"the queries of sample 'sn003' have the position 1e\+300"):
        interpolator.predict(df, at=at, return_std=True)
    with pytest.warns(UserWarning, match=r"predictions for the samples 'sn001', 'sn003' are NaN .* weight 'encoder"):
        predicted = broken(interpolator).predict(df, at=at.assign(mjd=59_003.0), quantiles=[0.5])
    assert predicted["q50"].isna().all()


def test_a_folder_with_numbers_that_are_not_finite_is_an_error(tmp_path):
    df = light_curves()
    regressor = rm.RoMAERegressor(columns={"id": "object_id", "time": "mjd", "channel": "band", "value": "flux"})
    regressor.set_params(**quick(epochs=1)).fit(df, labels_of(df, "peak")).save(tmp_path)
    path = tmp_path / "estimator.json"
    path.write_text(path.read_text().replace('"target_mean": [\n', '"target_mean": [\n NaN, '))
    with pytest.raises(ValueError, match=r"estimator\.json cannot be read.*target_mean must be finite"):
        rm.load(tmp_path)


def test_training_that_diverges_names_the_likely_cause():
    X, _ = series()
    X[3, 1, 2] = 1e20
    tokens = rm.from_arrays(X, ids=IDS, channels=["flux", "rate"]).with_targets(np.arange(24.0, dtype=np.float32))
    config = rm.RoMAEConfig(n_values=2, n_axes=1, **MODEL)
    with pytest.raises(FloatingPointError, match=r"the value 1e\+20 in channel 'rate' of sample 's3' is 1e\+20 scales"):
        rm.train(rm.RoMAEForPreTraining(config), tokens, rm.TrainingConfig(epochs=4, clip=0.0, device="cpu"))
    targets = np.arange(24.0, dtype=np.float32)
    targets[5] = 1e30
    model, tokens = rm.RoMAEForPrediction(config, outputs=1), tokens[4:].with_targets(targets[4:])
    with pytest.raises(FloatingPointError, match=r"the target of sample 's5' is of size 1e\+30"):
        rm.train(model, tokens, rm.TrainingConfig(epochs=4, device="cpu"))
