"""Scaling: apply and undo are inverse, channels are scaled separately, and late times keep their digits."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rotary_mae as rm
from rotary_mae.data.scaling_statistics import unobserved_channels
from rotary_mae.data.schema import Schema
from tests.builders import RAGGED, some_measurements, some_tokens


def series(values, times, lengths=None, **settings):
    return rm.TokenSet(values, times, [len(values)] if lengths is None else lengths, **settings)


def channel_of(tokens):
    return tokens.positions[:, 1].astype(int)


@pytest.mark.parametrize("how", ["robust", "standard", "none"])
@pytest.mark.parametrize("origin", ["first", "global", "none"])
def test_undo_is_the_inverse_of_apply(how, origin):
    tokens = some_measurements()
    scaling = rm.Scaling.fit(tokens, values=how, origin=origin)
    scaled = scaling.apply(tokens)
    assert np.allclose(scaling.undo(scaled.values, channel=channel_of(tokens)), tokens.values, atol=1e-4)
    targets = scaling.apply_targets(tokens.values, channel=channel_of(tokens))
    assert np.allclose(targets, scaled.values, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(center=st.floats(-1e4, 1e4), std=st.floats(1e-3, 1e4), seed=st.integers(0, 99))
def test_undo_is_the_inverse_of_apply_for_steps(center, std, seed):
    values = np.random.default_rng(seed).normal(center, std, (34, 2))
    tokens = some_tokens().replace(values=values)
    scaling = rm.Scaling.fit(tokens)
    back = scaling.undo(scaling.apply(tokens).values)
    assert np.allclose(back, tokens.values, rtol=1e-5, atol=1e-4 * std)


def test_each_channel_has_a_scale_that_outliers_do_not_change():
    tokens = some_measurements([300, 300])
    values, channel = tokens.values.copy(), channel_of(tokens)
    values[::50] = 1e6
    scaling = rm.Scaling.fit(tokens.replace(values=values))
    scaled = scaling.apply(tokens).values[:, 0]
    for c in range(3):
        assert abs(np.median(scaled[channel == c])) < 0.2
        assert 0.7 < scaled[channel == c].std() < 1.3


def test_standard_scaling_uses_mean_and_standard_deviation():
    tokens = some_tokens()
    scaled = rm.Scaling.fit(tokens, values="standard").apply(tokens).values
    assert np.allclose(scaled.mean(0), 0, atol=1e-5)
    assert np.allclose(scaled.std(0), 1, atol=1e-5)


@pytest.mark.parametrize("how", ["robust", "standard"])
@pytest.mark.parametrize("constant", [0.0, 0.1, 1e6])
def test_a_constant_channel_becomes_0_and_stays_finite(how, constant):
    tokens = series(np.full(9, constant), np.arange(9))
    scaling = rm.Scaling.fit(tokens, values=how)
    assert not scaling.apply(tokens).values.any()
    assert scaling.scale == (1.0,)


def test_a_channel_that_is_mostly_one_number_is_scaled_by_its_standard_deviation():
    values = np.r_[np.zeros(90), np.linspace(1, 10, 10)]
    scaled = rm.Scaling.fit(series(values, np.arange(100))).apply(series(values, np.arange(100))).values
    assert 0 < scaled.max() < 10


def test_a_channel_without_values_has_the_identity_scaling():
    tokens = some_measurements(channels=("g", "r", "i"))
    wide = rm.TokenSet(tokens.values, tokens.positions, tokens.lengths, axes=tokens.axes, channels=("g", "r", "i", "z"))
    scaling = rm.Scaling.fit(wide)
    assert (scaling.center[3], scaling.scale[3]) == (0.0, 1.0)


def test_times_as_late_as_mjd_59000_keep_their_digits():
    tokens = series(np.zeros(3), [59_000.001, 59_000.002, 59_000.0025])
    assert np.float32(59_000.002) == np.float32(59_000.0025)
    scaling = rm.Scaling.fit(tokens, unit=1.0)
    positions = rm.TokenBatch.collate(scaling.apply(tokens)).positions.numpy().ravel()
    assert np.allclose(np.diff(positions), [0.001, 0.0005], rtol=1e-3)


def test_the_first_token_of_every_sample_is_at_position_1():
    tokens = some_measurements(statics=("age",))
    scaled = rm.Scaling.fit(tokens).apply(tokens)
    assert scaled.schema.anchored == (0,)
    measured = np.where(scaled.is_static, np.inf, scaled.positions[:, 0])
    assert np.allclose(np.minimum.reduceat(measured, scaled.starts), 1.0)
    assert (scaled.positions[:, 1] == tokens.positions[:, 1]).all()


def test_positions_are_relative_to_the_chosen_origin():
    tokens = series(np.zeros(4), [10.0, 12.0, 30.0, 33.0], [2, 2])
    for origin, expected in (("first", [1, 3, 1, 4]), ("global", [1, 3, 21, 24]), ("none", [10, 12, 30, 33])):
        scaled = rm.Scaling.fit(tokens, origin=origin, unit=1.0).apply(tokens)
        assert scaled.positions.ravel().tolist() == expected
        assert scaled.schema.anchored == ((0,) if origin == "first" else ())


def in_channels(times, channels, lengths=None):
    """Measurements of the channels g and r; statics have channel 2."""
    schema = Schema(("time", "channel"), ("g", "r"), statics=("age",))
    lengths = [len(times)] if lengths is None else lengths
    return rm.TokenSet(np.zeros(len(times)), np.column_stack([times, channels]), lengths, schema=schema)


def test_one_long_gap_does_not_change_the_default_unit():
    minutes = np.arange(20.0)
    bursts = np.concatenate([minutes, 1440.0 + minutes, 1e7 + minutes])
    assert rm.Scaling.fit(series(np.zeros(60), bursts)).unit == (1.0,)


def test_the_default_unit_is_the_median_gap_within_a_channel():
    # g at 0, 4, 8, ... and r one later
    times = np.repeat(np.arange(5) * 4.0, 2) + np.tile([0.0, 1.0], 5)
    assert rm.Scaling.fit(in_channels(times, np.tile([0, 1], 5))).unit == (4.0, 1.0)
    # samples count equally, whatever their length: median gaps 4, 10 and 10
    lengths = [10, 2, 3]
    times = np.concatenate([times, [0.0, 10.0], [7.0, 17.0, 27.0]])
    assert rm.Scaling.fit(in_channels(times, [*[0, 1] * 5, 1, 1, 0, 0, 0], lengths)).unit == (10.0, 1.0)


def test_equal_times_and_static_covariates_do_not_change_the_default_unit():
    assert rm.Scaling.fit(in_channels([0.0, 3.0, 3.0, 3.0, 6.0, -90.0], [0, 0, 0, 0, 0, 2])).unit == (3.0, 1.0)
    assert rm.Scaling.fit(in_channels([5.0, 5.0, 5.0], [0, 0, 1])).unit == (1.0, 1.0)


def test_without_two_times_in_a_channel_the_default_unit_is_the_gap_between_channels():
    assert rm.Scaling.fit(in_channels([0.0, 6.0], [0, 1])).unit == (6.0, 1.0)
    # samples of one token a channel do not count beside others
    assert rm.Scaling.fit(in_channels([0.0, 6.0, 0.0, 2.0], [0, 1, 0, 0], [2, 2])).unit == (2.0, 1.0)


def test_the_default_unit_does_not_depend_on_the_layout():
    X = np.random.default_rng(0).normal(size=(6, 2, 40))
    X[:, 0, 1::2] = np.nan  # a channel that is measured every second step
    X[:, 1, np.arange(40) % 4 > 0] = np.nan
    units = {rm.Scaling.fit(rm.from_arrays(X, layout=layout)).unit[0] for layout in ("steps", "measurements")}
    assert len(units) == 1
    assert units <= {2.0, 3.0, 4.0}


def test_spans_are_those_of_long_samples_in_the_models_units():
    times = np.concatenate([np.arange(0.0, 2.0 * n, 2.0) for n in (3, 5, 11)])
    scaling = rm.Scaling.fit(series(np.zeros(19), times, [3, 5, 11]))
    assert scaling.unit == (2.0,)
    assert scaling.span == pytest.approx((np.quantile([2.0, 4.0, 10.0], 0.95),))
    assert rm.Scaling.fit(in_channels([0.0, 3.0, 9.0, -90.0], [0, 0, 1, 2])).span == (3.0, 0.0)


def test_gaps_between_channels_are_at_least_a_quarter_of_those_within_one():
    within = np.repeat(np.arange(6) * 8.0, 2)
    for offset, expected in ((0.0, 1.0), (4.0, 0.5), (0.01, 0.25)):
        tokens = in_channels(within + np.tile([0.0, offset], 6), np.tile([0, 1], 6))
        scaling = rm.Scaling.fit(tokens)
        assert scaling.unit == (8.0, 1.0)
        assert scaling.gap == pytest.approx((expected, 0.0))
    # with a unit that is too large the gaps are small
    assert rm.Scaling.fit(in_channels([0.0, 2.0, 4.0], [0, 0, 0]), unit=100.0).gap == pytest.approx((0.02, 0.0))


def test_a_scaling_that_was_saved_without_gaps_and_spans_is_loaded():
    scaling = rm.Scaling.fit(some_measurements())
    fields = json.loads(json.dumps(asdict(scaling)))
    del fields["gap"], fields["span"]
    assert rm.Scaling.from_dict(fields) == replace(scaling, gap=(), span=())


def test_the_default_unit_is_the_typical_distance_of_distinct_positions():
    # three bands at each of 11 times, two days apart
    times = np.repeat(np.arange(11) * 2.0 + 59_000, 3)
    positions = np.column_stack([times, np.tile([0, 1, 2], 11)])
    tokens = rm.TokenSet(np.zeros(33), positions, [33], axes=("time", "channel"), channels=("g", "r", "i"))
    assert rm.Scaling.fit(tokens).unit == (2.0, 1.0)
    assert rm.Scaling.fit(tokens, unit=5.0).unit == (5.0, 1.0)
    assert rm.Scaling.fit(tokens, unit=[5.0]).unit == (5.0, 1.0)


def test_single_tokens_have_a_unit_of_1():
    assert rm.Scaling.fit(series([1.0, 2.0], [5.0, 9.0], [1, 1])).unit == (1.0,)


def test_origin_and_unit_of_times_do_not_change_scaled_positions():
    tokens = some_measurements()
    hours = tokens.replace(positions=tokens.positions * [24.0, 1.0] + [1e6, 0.0])
    one, other = rm.Scaling.fit(tokens).apply(tokens), rm.Scaling.fit(hours).apply(hours)
    assert np.allclose(one.positions, other.positions, atol=1e-6)


def test_errors_are_scaled_and_never_centred():
    tokens = some_measurements(has_error=True)
    scaling = rm.Scaling.fit(tokens)
    scale = np.array(scaling.scale)[channel_of(tokens)]
    assert np.allclose(scaling.apply(tokens).values[:, 1], tokens.values[:, 1] / scale, rtol=1e-5)


def test_a_standard_deviation_is_scaled_and_not_shifted():
    tokens = some_measurements()
    scaling = rm.Scaling.fit(tokens)
    channel = channel_of(tokens)
    std = scaling.undo(np.ones((len(channel), 1)), channel=channel, is_std=True)
    assert np.allclose(std[:, 0], np.array(scaling.scale)[channel])


def test_values_that_were_not_observed_do_not_count_and_become_the_centre():
    rng = np.random.default_rng(0)
    flags = rng.integers(2, size=(34, 2)).astype(float)
    values = rng.normal(50, 2, (34, 2)) * flags
    schema = Schema(("time",), ("a", "b"), ("value", "value", "observed", "observed"))
    tokens = rm.TokenSet(np.hstack([values, flags]), np.arange(34), RAGGED, schema=schema)
    scaling = rm.Scaling.fit(tokens)
    scaled = scaling.apply(tokens).values
    assert np.allclose(scaling.center[:2], 50, atol=2)
    assert not scaled[:, :2][flags == 0].any()
    assert (scaled[:, 2:] == flags).all()
    assert np.abs(scaled[:, :2]).max() < 5


def test_pixels_share_one_scale():
    images = rm.from_images(np.random.default_rng(0).random((3, 4, 4)).astype(np.float32), patch=(2, 2))
    scaling = rm.Scaling.fit(images)
    assert len(set(scaling.center)) == len(set(scaling.scale)) == 1
    assert (scaling.apply(images).positions == images.positions).all()


def test_other_data_is_aligned_with_the_channels_of_the_fit():
    tokens = some_measurements()
    scaling = rm.Scaling.fit(tokens)
    reordered = rm.TokenSet(
        tokens.values,
        np.column_stack([tokens.positions[:, 0], 2 - tokens.positions[:, 1]]),
        tokens.lengths,
        axes=tokens.axes,
        channels=("i", "r", "g"),
    )
    one, other = scaling.apply(tokens), scaling.apply(reordered)
    assert (one.values == other.values).all()
    assert (one.positions == other.positions).all()
    with pytest.raises(ValueError, match=r"channels \['z'\] were never seen in training"):
        scaling.apply(some_measurements(channels=("g", "z")))


def test_scaling_twice_is_an_error():
    tokens = some_measurements()
    scaling = rm.Scaling.fit(tokens)
    with pytest.raises(ValueError, match="these tokens are scaled already"):
        scaling.apply(scaling.apply(tokens))


def test_scaling_of_a_sample_does_not_depend_on_the_set():
    tokens = some_measurements(statics=("age",))
    scaling = rm.Scaling.fit(tokens)
    for whole, alone in zip(scaling.apply(tokens), (scaling.apply(t) for t in tokens), strict=True):
        assert (whole.values == alone.values).all()
        assert (whole.positions == alone.positions).all()


@pytest.mark.parametrize("tokens", [some_tokens(n_axes=2), some_measurements(statics=("age",), has_error=True)])
def test_a_saved_scaling_is_loaded_unchanged(tokens, tmp_path):
    scaling = rm.Scaling.fit(tokens)
    scaling.save(tmp_path / "scaling.json")
    assert json.loads((tmp_path / "scaling.json").read_text())["origin"] == "first"
    assert rm.Scaling.load(tmp_path / "scaling.json") == scaling
    assert [p.name for p in tmp_path.iterdir()] == ["scaling.json"]


def test_only_max_samples_of_a_source_are_read():
    tokens = some_tokens([3] * 50)
    n_read = []

    class Watched:
        schema = tokens.schema

        def __len__(self):
            return len(tokens)

        def __getitem__(self, index):
            n_read.append(len(index))
            return tokens[index]

    rm.Scaling.fit(Watched(), max_samples=20)
    assert n_read == [20]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"values": "minmax"}, r"values must be one of \('auto', 'robust', 'standard', 'none'\), got 'minmax'"),
        ({"origin": "last"}, r"origin must be one of .*got 'last'"),
        ({"unit": 0.0}, "unit of an axis must be positive, got 0.0"),
        ({"unit": [1.0, -1.0]}, "unit of an axis must be positive"),
        ({"unit": [1.0, 1.0, 1.0]}, "one a continuous axis"),
        ({"unit": "day"}, "unit must be one of .*got 'day'"),
    ],
)
def test_wrong_arguments_are_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        rm.Scaling.fit(some_tokens(n_axes=2), **arguments)


def test_fit_needs_samples_and_undo_needs_channels():
    with pytest.raises(ValueError, match="needs at least one sample"):
        rm.Scaling.fit(some_tokens()[[]])
    with pytest.raises(ValueError, match="give channel="):
        rm.Scaling.fit(some_measurements()).undo(np.zeros((3, 1)))


def test_channels_without_a_value_are_found_by_name():
    X = np.ones((3, 3, 2))
    X[:, 1], X[:2, 2] = np.nan, np.nan
    for layout in ("steps", "measurements"):
        tokens = rm.from_arrays(X, channels=["a", "b", "c"], layout=layout)
        assert unobserved_channels(tokens, tokens.schema) == ("b",)
        assert unobserved_channels(tokens[:2], tokens.schema) == ("b", "c")
    images = rm.from_images(np.zeros((2, 4, 4), np.uint8), patch=(2, 2))
    assert unobserved_channels(images, images.schema) == ()
