"""Predictions at any position: their dependence on queries, their shapes, and their standard deviations."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.special import ndtri

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
    _, std = itp.predict(tokens, at=at, return_std=True)
    low, middle, high = itp.predict(tokens, at=at, quantiles=[0.05, 0.5, 0.95])
    for i in range(len(tokens)):
        assert (std[i] > 0).all()
        assert (low[i] < middle[i]).all()
        assert (middle[i] < high[i]).all()
    # the std is that of the normal distribution with the same central 90 % interval
    width = (np.concatenate(high) - np.concatenate(low))[:, 0]
    np.testing.assert_allclose(np.concatenate(std)[:, 0], width / (2 * ndtri(0.95)), rtol=1e-6)


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


# -- single values of wide data -----------------------------------------------------------------------------

WIDE = {"id": "id", "time": "time", "value": ["a", "b", "c"]}


def wide_frame(n=30, times=12, empty=0.2, seed=0):
    """A wide frame of three channels that differ by a constant, some of its cells empty, and the complete values."""
    rng = np.random.default_rng(seed)
    level, slope = rng.normal(size=(n, 1)), rng.normal(size=(n, 1))
    base = level + slope * np.linspace(-1, 1, times)
    values = np.stack([base, base + 1.0, 2.0 - base], -1) + 0.02 * rng.normal(size=(n, times, 3))
    frame = pd.DataFrame(values.reshape(-1, 3), columns=["a", "b", "c"])
    frame.insert(0, "id", np.repeat(np.arange(n), times))
    frame.insert(1, "time", np.tile(np.arange(times, dtype=float), n))
    return frame.mask(rng.random(frame.shape) < empty).assign(id=frame["id"], time=frame["time"]), frame


@pytest.fixture(scope="module")
def of_wide():
    frame, complete = wide_frame()
    return rm.RoMAEInterpolator(columns=WIDE, **quick(epochs=2)).fit(frame), frame, complete


def test_wide_frames_and_arrays_are_read_value_by_value(of_wide):
    itp, frame, _ = of_wide
    assert itp.scaling_.schema.layout == "measurements"
    expected = rm.from_frame(frame, **WIDE, layout="measurements")
    read = itp.read(frame)
    np.testing.assert_array_equal(read.values, expected.values)
    np.testing.assert_array_equal(read.positions, expected.positions)
    X, _ = series()
    assert rm.RoMAEInterpolator(**quick(epochs=1)).fit(X).scaling_.schema.layout == "measurements"
    assert rm.RoMAEInterpolator(**quick(epochs=1)).fit(X[:, 0]).scaling_.schema.layout == "steps"
    assert rm.RoMAEInterpolator(layout="steps", **quick(epochs=1)).fit(X).scaling_.schema.layout == "steps"
    assert rm.RoMAEEmbedder(**quick(epochs=1)).fit(X).scaling_.schema.layout == "steps"
    assert rm.RoMAEInterpolator(**quick(epochs=1)).fit(rm.from_arrays(X)).scaling_.schema.layout == "steps"


def test_long_series_of_many_channels_stay_steps(monkeypatch):
    monkeypatch.setattr("rotary_mae.estimators.inputs.MAX_VALUES", 17)
    X, _ = series()
    assert rm.RoMAEInterpolator(**quick(epochs=1)).fit(X).scaling_.schema.layout == "steps"


def test_wide_data_can_be_queried_by_times_alone(of_wide):
    itp, frame, _ = of_wide
    at = pd.DataFrame({"id": [3, 1, 3], "time": [0.5, 2.0, 7.25]})
    framed = itp.predict(frame, at=at, return_std=True)
    assert list(framed.columns) == ["id", "time", *(f"{k}_{c}" for k in ("value", "std") for c in "abc")]
    for c in "abc":
        single = itp.predict(frame, at=at.assign(channel=c), return_std=True)
        np.testing.assert_allclose(framed[f"value_{c}"], single["value"], atol=1e-5)
        np.testing.assert_allclose(framed[f"std_{c}"], single["std"], atol=1e-5)
    X, _ = series()
    of_array = rm.RoMAEInterpolator(**quick(epochs=1)).fit(X)
    times = [np.array([0.5, 3.0, 4.0])] * 2
    by_time = of_array.predict(X[:2], at=times)
    assert [a.shape for a in by_time] == [(3, 2)] * 2
    column = of_array.predict(X[:2], at=[t[:, None] for t in times])
    by_channel = of_array.predict(X[:2], at=[np.column_stack([t, np.ones(3)]) for t in times])
    np.testing.assert_array_equal(by_time[1], column[1])
    np.testing.assert_allclose(by_time[1][:, 1:], by_channel[1], atol=1e-6)
    with pytest.raises(ValueError, match=r"must be \(q, 2\) for the axes"):
        of_array.predict(of_array.read(X[:2]), at=times)


def test_the_masking_auto_depends_on_shared_times_alone(of_wide):
    itp, _, _ = of_wide
    assert itp.masking_.strategies == {"uniform", "times"}
    assert itp.hiding_of_training == itp.masking_
    curves = rm.RoMAEInterpolator(columns=COLUMNS, **quick(epochs=1)).fit(light_curves())
    assert curves.masking_ == rm.Masking("uniform", 0.5)
    frame, _ = wide_frame()
    steps = rm.RoMAEInterpolator(columns=WIDE, layout="steps", **quick(epochs=1)).fit(frame)
    assert steps.masking_.strategies == {"cells", "times"}
    for hiding in ("uniform", rm.Masking("times", 0.3), {"strategy": "block"}):
        fitted = rm.RoMAEInterpolator(columns=WIDE, hiding=hiding, **quick(epochs=1)).fit(frame)
        assert len(fitted.masking_.strategies) == 1


def test_the_chosen_masking_is_saved(of_wide, tmp_path):
    itp, frame, _ = of_wide
    itp.save(tmp_path)
    loaded = rm.load(tmp_path)
    assert loaded.masking_ == itp.masking_
    assert loaded.score(frame) == pytest.approx(itp.score(frame), rel=1e-5)


@pytest.mark.parametrize("layout", ["auto", "steps"])
def test_the_summary_is_the_error_of_impute_on_the_same_cells(layout, monkeypatch):
    # one draw, so that the cells of the summary are known
    monkeypatch.setattr("rotary_mae.estimators._predict.masked.EVALUATED_FRACTION", 0.1)
    frame, _ = wide_frame(n=40)
    itp = rm.RoMAEInterpolator(columns=WIDE, layout=layout, **quick(epochs=2)).fit(frame)
    validation = frame[frame["id"].isin(itp.validation_idx_)].reset_index(drop=True)
    tokens = itp.read(validation)
    batch = rm.TokenBatch.collate(itp.scaling_.apply(tokens).with_targets(None))
    masked = batch.hide(itp.hiding_of_evaluation, seed=0, epoch=2**40)
    hidden = masked.split.hidden_idx.numpy()
    if layout == "steps":
        flags = masked.values[:, tokens.schema.columns("observed")].numpy() > 0
        token, channel = np.nonzero(flags[hidden])
        origin = masked.token_idx.numpy()[hidden[token]]
    else:
        origin, channel = hidden, tokens.positions[hidden, 1].astype(int)
    row = np.unique(tokens.sample_idx)[tokens.sample_idx[origin]] * 12 + tokens.positions[origin, 0].astype(int)
    emptied, cells = validation.copy(), (row, 2 + channel)
    array = emptied.to_numpy(copy=True)
    truth = array[cells]
    array[cells] = np.nan
    emptied[["a", "b", "c"]] = array[:, 2:]
    imputed = itp.impute(emptied).to_numpy()[:, :5][cells]
    error = np.mean(np.square((imputed - truth) / np.asarray(itp.scaling_.scale)[channel]))
    assert itp.summary_.scores["mse"] == pytest.approx(error, rel=1e-3)
