"""Alignment: channels by name, and an error for data of another kind."""

import re

import numpy as np
import pytest

import rotary_mae as rm
from rotary_mae.data.alignment import align, describe_zones, without_channels
from rotary_mae.data.schema import Schema
from tests.builders import some_measurements, some_tokens
from tests.data.same_tokens import assert_same


def with_names(tokens, channels, order):
    """The same measurements with the channels in another order."""
    positions = tokens.positions.copy()
    positions[:, 1] = np.array(order)[positions[:, 1].astype(int)]
    return rm.TokenSet(tokens.values, positions, tokens.lengths, axes=tokens.axes, channels=channels)


def test_channels_are_matched_by_name_in_any_order():
    tokens = some_measurements()
    assert_same(align(with_names(tokens, ("i", "g", "r"), [1, 2, 0]), tokens.schema), tokens)
    assert align(tokens, tokens.schema) is tokens


def test_a_missing_channel_is_accepted_and_an_unknown_one_is_an_error():
    tokens = some_measurements([9, 9], channels=("g", "r"))
    wide = some_measurements(channels=("r", "z", "g"))
    aligned = align(tokens, wide.schema)
    assert aligned.channels == ("r", "z", "g")
    assert (aligned.positions[:, 1] == np.array([2, 0])[tokens.positions[:, 1].astype(int)]).all()
    with pytest.raises(
        ValueError, match=re.escape("channels ['z'] were never seen in training; the model was fitted on ('g', 'r')")
    ):
        align(wide, tokens.schema)


def test_a_static_covariate_may_be_missing_and_share_the_name_of_a_channel():
    fitted = some_measurements(channels=("g", "z"), statics=("z", "age"))
    some = some_measurements(channels=("z",), statics=("z",))
    aligned = align(some, fitted.schema)
    assert set(aligned.positions[aligned.is_static, 1]) == {2}
    assert set(aligned.positions[~aligned.is_static, 1]) == {1}


def steps(columns, channels, *, observed=None, statics=(), times=None):
    n = len(channels)
    parts, roles = [columns], ("value",) * n
    if observed is not None:
        parts, roles = [*parts, observed], (*roles, *("observed",) * n)
    if statics:
        parts, roles = (
            [*parts, np.arange(len(columns))[:, None] + np.zeros(len(statics))],
            (*roles, *("static",) * len(statics)),
        )
    schema = Schema(("time",), tuple(channels), roles, tuple(statics), times)
    return rm.TokenSet(np.hstack(parts), np.arange(len(columns)), [len(columns)], schema=schema)


def test_columns_of_steps_are_reordered_and_get_observed_flags():
    columns = np.arange(6.0).reshape(3, 2) + 1
    flags = np.array([[1, 0], [1, 1], [0, 1]])
    fitted = steps(np.zeros((3, 3)), ("a", "b", "c"), observed=np.ones((3, 3)), statics=("s",))
    got = align(steps(columns * flags, ("c", "a"), observed=flags, statics=("s",)), fitted.schema)
    zero = np.zeros(3)
    expected = [columns[:, 1] * flags[:, 1], zero, columns[:, 0] * flags[:, 0], flags[:, 1], zero, flags[:, 0]]
    assert np.array_equal(got.values, np.column_stack([*expected, np.arange(3)]))
    complete = align(steps(columns, ("c", "a"), statics=("s",)), fitted.schema)
    assert np.array_equal(complete.values[:, 3:6], np.tile([1, 0, 1], (3, 1)))


def test_unnamed_values_are_kept_or_an_error_and_never_zero():
    tokens = rm.TokenSet(np.arange(1.0, 7).reshape(3, 2), np.arange(3), [3])
    moved = tokens.replace(schema=Schema(("time",), roles=("value", "value"), anchored=(0,)))
    assert np.array_equal(align(moved, tokens.schema).values, tokens.values)
    named = steps(np.ones((3, 2)), ("a", "b"), observed=np.ones((3, 2)))
    with pytest.raises(ValueError, match="these tokens name none"):
        align(tokens, named.schema)


@pytest.mark.parametrize(
    ("tokens", "fitted", "message"),
    [
        (
            some_tokens(),
            some_measurements(),
            "fitted on axes ('time', 'channel') (layout 'measurements'), got ('axis0',)",
        ),
        (
            some_measurements(has_error=True),
            some_measurements(),
            "give (or leave out) the column of measurement errors",
        ),
        (steps(np.ones((2, 1)), ("a",)), steps(np.ones((2, 2)), ("a", "b")), "some steps lack a channel"),
        (
            steps(np.ones((2, 1)), ("a",)),
            steps(np.ones((2, 1)), ("a",), statics=("s",)),
            "needs the static covariates ('s',)",
        ),
        (steps(np.ones((2, 1)), ("a",), times="pandas"), steps(np.ones((2, 1)), ("a",)), "numbers, got time stamps"),
        (steps(np.ones((2, 1)), ("a",)), steps(np.ones((2, 1)), ("a",), times="pandas"), "got times that are numbers"),
        (
            rm.TokenSet(np.ones((2, 3)), [0, 1], [2]),
            rm.TokenSet(np.ones((2, 2)), [0, 1], [2]),
            "the model was fitted on Schema",
        ),
    ],
)
def test_data_of_another_kind_is_an_error_that_names_the_difference(tokens, fitted, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        align(tokens, fitted.schema)


def test_gaps_are_filled_by_linear_interpolation_or_the_typical_value():
    nan = np.nan
    fitted = rm.from_arrays(np.ones((2, 2, 4)), channels=["a", "b"], layout="steps")
    X = np.array([[[1.0, nan, 4.0, nan], [5.0, 6.0, 7.0, 8.0]], [[nan] * 4, [1.0, 2.0, 3.0, 4.0]]])
    times = np.array([0.0, 1.0, 3.0, 5.0])
    tokens = rm.from_arrays(X, times, channels=["a", "b"], layout="steps")
    with pytest.warns(UserWarning, match="missing values are filled by linear interpolation"):
        aligned = align(tokens, fitted.schema, typical=[9.0, 0.0])
    assert aligned.values[:4, 0].tolist() == [1, 2, 4, 4]
    assert aligned.values[4:, 0].tolist() == [9, 9, 9, 9]
    assert aligned.values[:, 1].tolist() == [5, 6, 7, 8, 1, 2, 3, 4]


def test_patches_of_another_shape_are_an_error():
    small, large = (rm.from_images(np.zeros((1, 8, 8)), patch) for patch in ((2, 2), (4, 4)))
    with pytest.raises(ValueError, match=re.escape("fitted on patches (frames, height, width, values) (1, 4, 4, 1)")):
        align(small, large.schema)
    with pytest.raises(ValueError, match="give data of the same kind"):
        align(some_tokens(), large.schema)


def test_values_of_some_channels_are_left_out() -> None:
    long = rm.TokenSet(
        [1, 2, 3, 4], [[0, 0], [0, 1], [1, 1], [0, 1]], [3, 1], axes=("time", "channel"), channels=("g", "r")
    )
    left = without_channels(long, ["r"])
    assert (left.values[:, 0].tolist(), left.lengths.tolist(), left.ids.tolist()) == ([1.0], [1], [0])
    assert without_channels(long, []) is long
    wide = rm.from_arrays(np.array([[[1.0, 2.0], [3.0, np.nan]], [[np.nan, np.nan], [4.0, 5.0]]]), channels=["g", "r"])
    left = without_channels(wide, ["r"])
    assert left.values.tolist() == [[1.0, 0.0, 1.0, 0.0], [2.0, 0.0, 1.0, 0.0]]
    assert left.ids.tolist() == [0]
    assert len(without_channels(long, ["g", "r"])) == 0


@pytest.mark.parametrize(
    ("given", "fitted", "expected"),
    [
        ("timestamp[us]", "timestamp[us, tz=UTC]", "are without a time zone, those of the fit in the zone UTC"),
        ("timestamp[ns, tz=Asia/Tokyo]", "timestamp[us]", "are in the zone Asia/Tokyo, those of the fit without"),
        ("timestamp[us, tz=UTC]", "timestamp[us, tz=Asia/Tokyo]", None),
        ("timestamp[us]", "date32[day]", None),
        (None, None, None),
    ],
)
def test_zones_that_differ_are_described(given: str | None, fitted: str | None, expected: str | None) -> None:
    text = describe_zones(Schema(("time",), times=given), Schema(("time",), times=fitted))
    assert text is None if expected is None else expected in str(text)
