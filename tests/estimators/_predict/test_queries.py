"""Queries of lists and frames: how they are read, what does not fit, and predictions in the same form."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import rotary_mae as rm
from rotary_mae.estimators._predict.distribution import PredictiveDistribution, Statistics
from rotary_mae.estimators._predict.queries import check_future, format_predictions, read_queries
from rotary_mae.evaluation.conformal import Calibration
from tests.estimators.small import COLUMNS, grid, light_curves

DF = light_curves(6, seed=5)
TOKENS = rm.from_frame(DF, **COLUMNS)
STEPS = rm.from_arrays(np.random.default_rng(0).normal(size=(3, 2, 9)), channels=("a", "b"))


def test_lists_are_read_sample_after_sample_with_the_channels_of_the_model() -> None:
    swapped = rm.TokenSet(TOKENS.values, TOKENS.positions, TOKENS.lengths, TOKENS.axes, ("r", "g"), ids=TOKENS.ids)
    at = [np.array([[59_000.0 + i, 0.0], [59_003.0, 1.0]]) for i in range(6)]
    at[1], at[4] = np.zeros((0, 2)), np.array([])
    queries = read_queries(at, swapped, TOKENS.schema, None)
    assert queries.lengths.tolist() == [2, 0, 2, 2, 0, 2]
    assert queries.sample_idx.tolist() == [0, 0, 2, 2, 3, 3, 5, 5]
    # index 0 of the samples is r, which is index 1 of the model
    assert queries.positions[:2].tolist() == [[59_000.0, 1.0], [59_003.0, 0.0]]
    assert queries.frame is None


def test_times_of_a_single_axis_need_no_second_dimension() -> None:
    queries = read_queries([[0.5, 3.0], [], [1.0]], STEPS, STEPS.schema, None)
    assert queries.positions.tolist() == [[0.5], [3.0], [1.0]]
    assert queries.lengths.tolist() == [2, 0, 1]


@pytest.mark.parametrize("library", [pd, pl])
def test_rows_of_a_frame_are_sorted_by_sample(library: Any) -> None:
    at = grid(DF).sample(frac=1.0, random_state=0)
    queries = read_queries(at if library is pd else pl.from_pandas(at), TOKENS, TOKENS.schema, COLUMNS)
    assert queries.order is not None
    rows = at.iloc[queries.order]
    assert rows["object_id"].tolist() == TOKENS.ids[queries.sample_idx].tolist()
    np.testing.assert_array_equal(queries.positions, np.column_stack([rows["mjd"], np.zeros(len(rows))]))


def test_a_frame_with_a_channel_queries_one_channel_of_steps() -> None:
    at = pd.DataFrame({"id": [2, 0, 2], "time": [3.0, 0.5, 1.0], "channel": ["b", "a", "a"]})
    queries = read_queries(at, STEPS, STEPS.schema, None)
    assert queries.channel is not None
    assert queries.channel.tolist() == [0, 1, 0]
    assert read_queries(at.drop(columns="channel"), STEPS, STEPS.schema, None).channel is None


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ([np.zeros((1, 2))] * 5, r"one array of positions a sample \(6\), got 5"),
        ([np.zeros((1, 3))] * 6, r"at\[0\] must be \(q, 2\)"),
        ([np.array([[59_000.0, 2.0]])] * 6, r"index in \('g', 'r'\), 0 to 1; got 2 to 2"),
        ([np.array([[59_000.0, 0.5]])] * 6, r"index in \('g', 'r'\), 0 to 1; got 0.5 to 0.5"),
        ([[(59_000.0, "g")]] * 6, r"at\[0\] must be numbers .* index in \('g', 'r'\), .* names .* go in a frame"),
        ([np.array([["2024-01-01"] * 2], "datetime64[s]")] * 6, "must be numbers .* time stamps go in a frame"),
        ([np.array([[np.inf, 0.0]])] * 6, "positions of queries must be finite, 6 are not"),
        (None, "at must be a list with an array of positions a sample, or a frame, got NoneType"),
    ],
)
def test_lists_that_do_not_fit_are_a_clear_error(at: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_queries(at, TOKENS, TOKENS.schema, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"band": "y"}, r"channels \['y'\]; the model was fitted on \('g', 'r'\)"),
        ({"object_id": "nobody"}, "id 'nobody', which has no observations; the ids begin with .'sn000', 'sn001'"),
        ({"mjd": "noon"}, r"times that are numbers, at has \w*string; give numbers"),
        ({"mjd": np.nan}, "positions of queries must be finite, 18 are not"),
    ],
)
def test_frames_that_do_not_fit_are_a_clear_error(change: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_queries(grid(DF).assign(**change), TOKENS, TOKENS.schema, COLUMNS)


def test_columns_axes_and_ids_that_a_frame_needs_are_a_clear_error() -> None:
    with pytest.raises(ValueError, match="at has no column 'band' for the channel"):
        read_queries(grid(DF).drop(columns="band"), TOKENS, TOKENS.schema, COLUMNS)
    with pytest.raises(ValueError, match="'sn000' is the id of several"):
        read_queries(grid(DF), rm.TokenSet.concatenate([TOKENS, TOKENS]), TOKENS.schema, COLUMNS)
    images = rm.from_images(np.zeros((1, 4, 4, 1)), (2, 2))
    with pytest.raises(ValueError, match=r"axes of the samples are \('row', 'column'\): give a list"):
        read_queries(pd.DataFrame({"id": [0], "time": [0.0]}), images, images.schema, None)
    with pytest.raises(ValueError, match="no samples to predict for"):
        read_queries([], TOKENS[:0], TOKENS.schema, None)


def test_only_positions_after_the_last_observation_are_in_the_future() -> None:
    df = DF.assign(mjd=pd.Timestamp("2024-05-01") + pd.to_timedelta(DF["mjd"] - 59_000.0, unit="D"))
    tokens = rm.from_frame(df, **COLUMNS)
    last = df.groupby("object_id")["mjd"].max()
    at = pd.DataFrame({"object_id": last.index, "mjd": last.to_numpy(), "band": "g"})
    later = at.assign(mjd=at["mjd"] + pd.Timedelta(seconds=1))
    check_future(read_queries(later, tokens, tokens.schema, COLUMNS), tokens)
    later.loc[3, "mjd"] = at.loc[3, "mjd"]
    stamp = last.iloc[3].strftime("%Y-%m-%d %H:%M:%S")
    with pytest.raises(ValueError, match=f"1 positions are not after .* first for id 'sn003' .last at {stamp}"):
        check_future(read_queries(later, tokens, tokens.schema, COLUMNS), tokens)


def test_predictions_have_the_form_of_the_queries() -> None:
    scaling = rm.Scaling.fit(STEPS)
    at = pd.DataFrame({"id": [2, 0, 2], "time": [3.0, 0.5, 1.0]}, index=[7, 5, 6])

    def formatted(at: Any, **settings: Any) -> Any:
        queries = read_queries(at, STEPS, STEPS.schema, None)
        n = len(queries.positions)
        mean = np.column_stack([queries.positions[:, 0], -queries.positions[:, 0]])
        calibration = Calibration.uncalibrated(2)
        found = PredictiveDistribution(mean, np.ones((n, 2)), np.zeros(n), None, scaling, calibration)
        return format_predictions(found, queries, Statistics(**settings), STEPS.schema)

    frame = formatted(at, return_std=True)
    assert list(frame.columns) == ["id", "time", "value_a", "value_b", "std_a", "std_b"]
    assert frame.index.equals(at.index)
    expected = scaling.undo(np.column_stack([at["time"], -at["time"]]))
    np.testing.assert_allclose(frame[["value_a", "value_b"]], expected)
    single = formatted(at.assign(channel=["b", "a", "b"]))
    np.testing.assert_allclose(single["value"], expected[[0, 1, 2], [1, 0, 1]])
    times = [[0.5], [], [3.0, 1.0]]
    values = formatted(times)
    assert [array.shape for array in values] == [(1, 2), (0, 2), (2, 2)]
    np.testing.assert_allclose(values[2], expected[[0, 2]])
    mean, std = formatted(times, return_std=True)
    assert [array.shape for array in std] == [array.shape for array in mean]
    assert len(formatted(times, quantiles=[0.1, 0.5, 0.5])) == 3
