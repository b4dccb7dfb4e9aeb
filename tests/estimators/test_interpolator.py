"""Predictions at any position: their dependence on queries, their shapes, and their standard deviations."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

import rotary_mae as rm
from rotary_mae.estimators.data_shift import DataShiftWarning
from tests.estimators.small import COLUMNS, grid, light_curves, quick, series

FRESH = light_curves(6, seed=5)


@pytest.fixture
def itp(fitted):
    return fitted["interpolator"]


@pytest.fixture(scope="module")
def by_steps():
    X, _ = series()
    return rm.RoMAEInterpolator(**quick(epochs=10)).fit(rm.from_arrays(X, channels=("a", "b"))), X


def lists(tokens, times, channel=0.0):
    return [np.column_stack([times, np.full(len(times), channel)]) for _ in range(len(tokens))]


def test_a_denser_grid_does_not_change_predictions(itp):
    tokens = itp._source(FRESH)
    sparse, dense = np.linspace(59_000, 59_030, 4), np.linspace(59_000, 59_030, 61)
    few, std_few = itp.predict(tokens, at=lists(tokens, sparse), return_std=True)
    many, std_many = itp.predict(tokens, at=lists(tokens, dense), return_std=True)
    for one, other in ((few, many), (std_few, std_many)):
        for i in range(len(tokens)):
            np.testing.assert_allclose(one[i], other[i][::20], atol=1e-4)


def test_the_order_of_queries_does_not_change_predictions(itp):
    at = grid(FRESH)
    shuffled = at.sample(frac=1.0, random_state=0)
    expected = itp.predict(FRESH, at=at, return_std=True)
    got = itp.predict(FRESH, at=shuffled, return_std=True)
    assert got.index.equals(shuffled.index)
    pd.testing.assert_frame_equal(got.sort_index(), expected, atol=1e-4)


def test_lists_and_frames_agree(itp):
    at = grid(FRESH)
    framed = itp.predict(FRESH, at=at, quantiles=[0.1, 0.5])
    tokens = itp._source(FRESH)
    names = list(tokens.ids)
    by_list = [np.column_stack([at[at.object_id == name].mjd, np.zeros(3)]) for name in names]
    low, middle = itp.predict(tokens, at=by_list, quantiles=[0.1, 0.5])
    for i, name in enumerate(names):
        assert low[i].shape == (3, 1)
        np.testing.assert_allclose(framed[framed.object_id == name]["q10"], low[i][:, 0], atol=1e-4)
        np.testing.assert_allclose(framed[framed.object_id == name]["q50"], middle[i][:, 0], atol=1e-4)
    assert list(framed.columns) == [*at.columns, "q10", "q50"]
    assert "value" not in at


def test_queries_in_a_polars_frame_give_a_polars_frame(itp):
    expected = itp.predict(FRESH, at=grid(FRESH))
    got = itp.predict(pl.from_pandas(FRESH), at=pl.from_pandas(grid(FRESH)))
    assert isinstance(got, pl.DataFrame)
    np.testing.assert_allclose(got["value"], expected["value"], atol=1e-5)


def test_quantiles_are_ordered_and_consistent_with_mean_and_std(itp):
    tokens = itp._source(FRESH)
    at = lists(tokens, np.linspace(59_000, 59_030, 7))
    mean, std = itp.predict(tokens, at=at, return_std=True)
    low, middle, high = itp.predict(tokens, at=at, quantiles=[0.05, 0.5, 0.95])
    for i in range(len(tokens)):
        assert (std[i] > 0).all()
        assert (low[i] < middle[i]).all()
        assert (middle[i] < high[i]).all()
    # in one channel all quantiles are mean + constant * std
    std_all = np.concatenate(std)[:, 0]
    for quantile in (low, middle, high):
        distance = (np.concatenate(quantile) - np.concatenate(mean))[:, 0] / std_all
        np.testing.assert_allclose(distance, distance[0], rtol=1e-6, atol=1e-9)


def test_a_repeated_quantile_is_returned_twice(itp):
    tokens = itp._source(FRESH)
    predictions = itp.predict(tokens, at=lists(tokens, np.array([59_003.0])), quantiles=[0.5, 0.1, 0.5])
    assert len(predictions) == 3
    np.testing.assert_array_equal(predictions[0][2], predictions[2][2])


def test_columns_of_fine_quantiles_have_different_names(itp):
    got = itp.predict(FRESH, at=grid(FRESH), quantiles=[0.001, 0.004, 0.025, 0.05, 0.5])
    assert list(got.columns[-5:]) == ["q0.1", "q0.4", "q2.5", "q05", "q50"]
    with pytest.raises(ValueError, match=r"quantiles must be in \(0, 1\)"):
        itp.predict(FRESH, at=grid(FRESH), quantiles=[0.0, 0.5])
    with pytest.raises(ValueError, match=r"quantiles must be a list of them, got 0\.5"):
        itp.predict(FRESH, at=grid(FRESH), quantiles=0.5)


def test_a_sample_may_have_no_queries(itp):
    tokens = itp._source(FRESH)
    at = lists(tokens, np.array([59_003.0, 59_009.0]))
    expected = itp.predict(tokens, at=at)
    at[1], at[4] = np.zeros((0, 2)), []
    got = itp.predict(tokens, at=at)
    assert [len(prediction) for prediction in got] == [2, 0, 2, 2, 0, 2]
    for i in (0, 2, 3, 5):
        np.testing.assert_allclose(got[i], expected[i], atol=1e-5)
    nothing = itp.predict(tokens, at=[np.zeros((0, 2))] * len(tokens), return_std=True)
    assert all(prediction.shape == (0, 1) for predictions in nothing for prediction in predictions)


def test_a_channel_without_observations_can_be_predicted(itp):
    only_r = FRESH[FRESH["band"] == "r"]
    with pytest.warns(DataShiftWarning, match="'g', which 100% of the fitted samples have, is in no new sample"):
        predicted = itp.predict(only_r, at=grid(FRESH), return_std=True)
    assert np.isfinite(predicted["value"]).all()
    assert (predicted["std"] > 0).all()


def test_settings_that_do_not_fit_together_are_a_clear_error(itp):
    with pytest.raises(ValueError, match="return_std or quantiles, not both"):
        itp.predict(FRESH, grid(FRESH), return_std=True, quantiles=[0.5])
    with pytest.raises(ValueError, match="hiding_fraction must be above 0"):
        rm.RoMAEInterpolator(hiding_fraction=0, columns=COLUMNS, **quick(epochs=1)).fit(FRESH)
    with pytest.raises(ValueError, match="model has n_predicted, which the data decide"):
        rm.RoMAEInterpolator(model={"n_predicted": 2}, columns=COLUMNS).fit(FRESH)


def test_predictions_of_steps_have_one_value_a_channel(by_steps):
    itp, X = by_steps
    tokens = rm.from_arrays(X[:3], channels=("a", "b"))
    predicted = itp.predict(tokens, at=[np.array([0.5, 3.0])] * 3)
    assert [a.shape for a in predicted] == [(2, 2)] * 3
    at = pd.DataFrame({"id": [0, 2], "time": [0.5, 3.0]})
    framed = itp.predict(tokens, at=at, return_std=True)
    assert list(framed.columns) == ["id", "time", "value_a", "value_b", "std_a", "std_b"]
    np.testing.assert_allclose(framed[["value_a", "value_b"]].to_numpy()[1], predicted[2][1], atol=1e-5)
    swapped = itp.predict(rm.from_arrays(X[:3, ::-1], channels=("b", "a")), at=at)
    np.testing.assert_allclose(swapped[["value_a", "value_b"]], framed[["value_a", "value_b"]], atol=1e-5)


def test_a_frame_may_query_one_channel_of_steps_a_row(by_steps):
    itp, X = by_steps
    tokens = rm.from_arrays(X[:3], channels=("a", "b"))
    at = pd.DataFrame({"id": [2, 0, 2], "time": [3.0, 0.5, 3.0], "channel": ["b", "a", "a"]})
    every = itp.predict(tokens, at=at.drop(columns="channel"), return_std=True)
    framed = itp.predict(tokens, at=at, return_std=True)
    assert list(framed.columns) == ["id", "time", "channel", "value", "std"]
    for row, channel in enumerate(at["channel"]):
        np.testing.assert_allclose(framed["value"][row], every[f"value_{channel}"][row], atol=1e-6)
        np.testing.assert_allclose(framed["std"][row], every[f"std_{channel}"][row], atol=1e-6)
    with pytest.raises(ValueError, match=r"channels \['y'\]; the model was fitted on \('a', 'b'\)"):
        itp.predict(tokens, at=at.assign(channel="y"))


def test_time_stamps_are_kept_in_queries_and_predictions():
    df = light_curves(10)
    stamped = df.assign(mjd=pd.Timestamp("2020-01-01") + pd.to_timedelta(df["mjd"] - 59_000.0, unit="D"))
    itp = rm.RoMAEInterpolator(columns=COLUMNS, **quick()).fit(stamped)
    at = grid(df).assign(mjd=lambda q: pd.Timestamp("2020-01-01") + pd.to_timedelta(q["mjd"] - 59_000.0, unit="D"))
    predicted = itp.predict(stamped, at=at)
    assert predicted["mjd"].equals(at["mjd"])
    # the same as with days in numbers, whose unit is that of the data
    days = rm.RoMAEInterpolator(columns=COLUMNS, **quick()).fit(df.assign(mjd=(df["mjd"] - 59_000.0) * 86_400.0))
    in_days = days.predict(
        df.assign(mjd=(df["mjd"] - 59_000.0) * 86_400.0), at=grid(df).assign(mjd=lambda q: (q["mjd"] - 59_000) * 86_400)
    )
    np.testing.assert_allclose(predicted["value"], in_days["value"], atol=1e-2)
    with pytest.raises(ValueError, match="times that are time stamps"):
        itp.predict(stamped, at=grid(df))


def test_a_trained_model_is_better_than_the_mean():
    tokens = rm.from_frame(light_curves(40), **COLUMNS)
    settings = quick(epochs=60, learning_rate=5e-3, model={"width": 24, "heads": 2, "depth": 2})
    settings["model"]["decoder"] = {"width": 24, "heads": 2, "depth": 1}
    itp = rm.RoMAEInterpolator(**settings).fit(tokens)
    # every second measurement from the others
    is_kept = np.arange(tokens.n_tokens) % 2 == 0
    held = tokens.select_tokens(~is_kept)
    at = np.split(held.positions, np.cumsum(held.lengths)[:-1])
    mean = np.concatenate(itp.predict(tokens.select_tokens(is_kept), at=at))
    error = np.square(mean - held.values).mean() / np.square(held.values - held.values.mean()).mean()
    assert error < 0.5
