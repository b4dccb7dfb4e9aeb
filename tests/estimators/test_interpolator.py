"""Values at any position: what they depend on, their shapes and their spread."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

import rotary_mae as rm
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


def test_a_denser_grid_changes_no_answer(itp):
    tokens = itp._source(FRESH)
    sparse, dense = np.linspace(59_000, 59_030, 4), np.linspace(59_000, 59_030, 61)
    few, std_few = itp.predict(tokens, at=lists(tokens, sparse), return_std=True)
    many, std_many = itp.predict(tokens, at=lists(tokens, dense), return_std=True)
    for one, other in ((few, many), (std_few, std_many)):
        for i in range(len(tokens)):
            np.testing.assert_allclose(one[i], other[i][::20], atol=1e-4)


def test_the_order_of_queries_changes_no_answer(itp):
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


def test_queries_in_polars_are_answered_in_polars(itp):
    expected = itp.predict(FRESH, at=grid(FRESH))
    got = itp.predict(pl.from_pandas(FRESH), at=pl.from_pandas(grid(FRESH)))
    assert isinstance(got, pl.DataFrame)
    np.testing.assert_allclose(got["value"], expected["value"], atol=1e-5)


def test_quantiles_are_in_order_and_those_of_mean_and_spread(itp):
    tokens = itp._source(FRESH)
    at = lists(tokens, np.linspace(59_000, 59_030, 7))
    mean, std = itp.predict(tokens, at=at, return_std=True)
    low, middle, high = itp.predict(tokens, at=at, quantiles=[0.05, 0.5, 0.95])
    for i in range(len(tokens)):
        assert (std[i] > 0).all()
        assert (low[i] < middle[i]).all()
        assert (middle[i] < high[i]).all()
    width = np.concatenate(high) - np.concatenate(low)
    # the farther apart, the more spread, whatever calibration stretches them by
    assert np.corrcoef(width[:, 0], np.concatenate(std)[:, 0])[0, 1] > 0.9
    assert np.corrcoef(np.concatenate(middle)[:, 0], np.concatenate(mean)[:, 0])[0, 1] > 0.99


def test_a_quantile_asked_for_twice_is_given_twice(itp):
    tokens = itp._source(FRESH)
    answers = itp.predict(tokens, at=lists(tokens, np.array([59_003.0])), quantiles=[0.5, 0.1, 0.5])
    assert len(answers) == 3
    np.testing.assert_array_equal(answers[0][2], answers[2][2])


def test_columns_of_fine_quantiles_have_names_of_their_own(itp):
    got = itp.predict(FRESH, at=grid(FRESH), quantiles=[0.001, 0.004, 0.025, 0.05, 0.5])
    assert list(got.columns[-5:]) == ["q0.1", "q0.4", "q2.5", "q05", "q50"]
    with pytest.raises(ValueError, match=r"quantiles must be in \(0, 1\)"):
        itp.predict(FRESH, at=grid(FRESH), quantiles=[0.0, 0.5])
    with pytest.raises(ValueError, match=r"quantiles must be a list of them, got 0\.5"):
        itp.predict(FRESH, at=grid(FRESH), quantiles=0.5)


def test_a_sample_may_be_asked_nothing(itp):
    tokens = itp._source(FRESH)
    at = lists(tokens, np.array([59_003.0, 59_009.0]))
    expected = itp.predict(tokens, at=at)
    at[1], at[4] = np.zeros((0, 2)), []
    got = itp.predict(tokens, at=at)
    assert [len(answer) for answer in got] == [2, 0, 2, 2, 0, 2]
    for i in (0, 2, 3, 5):
        np.testing.assert_allclose(got[i], expected[i], atol=1e-5)
    nothing = itp.predict(tokens, at=[np.zeros((0, 2))] * len(tokens), return_std=True)
    assert all(answer.shape == (0, 1) for answers in nothing for answer in answers)


def test_a_band_without_observations_can_be_asked_about(itp):
    only_r = FRESH[FRESH["band"] == "r"]
    answered = itp.predict(only_r, at=grid(FRESH), return_std=True)
    assert np.isfinite(answered["value"]).all()
    assert (answered["std"] > 0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"band": "y"}, r"channels \['y'\]; the model knows \('g', 'r'\)"),
        ({"object_id": "nobody"}, "id 'nobody', which has no observations; the ids begin with .'sn000', 'sn001'"),
        ({"mjd": "noon"}, r"times that are numbers, at has \w*string; give numbers"),
        ({"mjd": np.nan}, "positions of queries must be finite, 18 are not"),
    ],
)
def test_queries_that_cannot_be_answered_are_a_clear_error(itp, change, message):
    with pytest.raises(ValueError, match=message):
        itp.predict(FRESH, at=grid(FRESH).assign(**change))


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ([np.zeros((1, 2))] * 5, r"one array of positions a sample \(6\), got 5"),
        ([np.zeros((1, 3))] * 6, r"at\[0\] must be \(q, 2\)"),
        ([np.array([[59_000.0, 2.0]])] * 6, r"index in \('g', 'r'\), 0 to 1"),
        ([np.array([[59_000.0, 0.5]])] * 6, "index in"),
        ([[(59_000.0, "g")]] * 6, r"at\[0\] must be numbers .* index in \('g', 'r'\), .* names .* go in a frame"),
        ([np.array([["2024-01-01"] * 2], "datetime64[s]")] * 6, "must be numbers .* time stamps go in a frame"),
        (None, "at must be a list with an array of positions a sample, or a frame, got NoneType"),
    ],
)
def test_lists_that_do_not_fit_are_a_clear_error(itp, at, message):
    with pytest.raises(ValueError, match=message):
        itp.predict(FRESH, at=at)


def test_steps_have_an_answer_a_channel(by_steps):
    itp, X = by_steps
    tokens = rm.from_arrays(X[:3], channels=("a", "b"))
    answered = itp.predict(tokens, at=[np.array([0.5, 3.0])] * 3)
    assert [a.shape for a in answered] == [(2, 2)] * 3
    at = pd.DataFrame({"id": [0, 2], "time": [0.5, 3.0]})
    framed = itp.predict(tokens, at=at, return_std=True)
    assert list(framed.columns) == ["id", "time", "value_a", "value_b", "std_a", "std_b"]
    np.testing.assert_allclose(framed[["value_a", "value_b"]].to_numpy()[1], answered[2][1], atol=1e-5)
    swapped = itp.predict(rm.from_arrays(X[:3, ::-1], channels=("b", "a")), at=at)
    np.testing.assert_allclose(swapped[["value_a", "value_b"]], framed[["value_a", "value_b"]], atol=1e-5)


def test_a_frame_may_ask_steps_for_one_channel_a_row(by_steps):
    itp, X = by_steps
    tokens = rm.from_arrays(X[:3], channels=("a", "b"))
    at = pd.DataFrame({"id": [2, 0, 2], "time": [3.0, 0.5, 3.0], "channel": ["b", "a", "a"]})
    every = itp.predict(tokens, at=at.drop(columns="channel"), return_std=True)
    framed = itp.predict(tokens, at=at, return_std=True)
    assert list(framed.columns) == ["id", "time", "channel", "value", "std"]
    for row, channel in enumerate(at["channel"]):
        np.testing.assert_allclose(framed["value"][row], every[f"value_{channel}"][row], atol=1e-6)
        np.testing.assert_allclose(framed["std"][row], every[f"std_{channel}"][row], atol=1e-6)
    with pytest.raises(ValueError, match=r"channels \['y'\]; the model knows \('a', 'b'\)"):
        itp.predict(tokens, at=at.assign(channel="y"))


def test_time_stamps_go_in_and_come_out():
    df = light_curves(10)
    stamped = df.assign(mjd=pd.Timestamp("2020-01-01") + pd.to_timedelta(df["mjd"] - 59_000.0, unit="D"))
    itp = rm.RoMAEInterpolator(columns=COLUMNS, **quick()).fit(stamped)
    at = grid(df).assign(mjd=lambda q: pd.Timestamp("2020-01-01") + pd.to_timedelta(q["mjd"] - 59_000.0, unit="D"))
    answered = itp.predict(stamped, at=at)
    assert answered["mjd"].equals(at["mjd"])
    # the same as with days in numbers, whose unit is that of the data
    days = rm.RoMAEInterpolator(columns=COLUMNS, **quick()).fit(df.assign(mjd=(df["mjd"] - 59_000.0) * 86_400.0))
    in_days = days.predict(
        df.assign(mjd=(df["mjd"] - 59_000.0) * 86_400.0), at=grid(df).assign(mjd=lambda q: (q["mjd"] - 59_000) * 86_400)
    )
    np.testing.assert_allclose(answered["value"], in_days["value"], atol=1e-2)
    with pytest.raises(ValueError, match="times that are time stamps"):
        itp.predict(stamped, at=grid(df))


def test_what_is_learned_is_nearer_than_the_mean():
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
