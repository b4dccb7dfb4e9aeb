"""Sampling: times, channels and queries are placed as their patterns describe."""

import numpy as np
import pytest
from scipy.stats import kstest

from rotary_mae.prior import query_placement, sampling
from rotary_mae.prior.random_streams import Ints, Streams

G, MAX = 2000, 64


@pytest.fixture(scope="module")
def streams() -> Streams:
    return Streams.for_series(21, np.arange(G))


@pytest.fixture(scope="module")
def n_steps(streams: Streams) -> Ints:
    return streams.integers("steps of the test", 2, MAX + 1)


def is_step(n_steps: Ints) -> np.ndarray:
    return np.arange(MAX) < n_steps[:, None]


# -- times ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sampling.PATTERNS)
def test_times_are_ordered_and_within_the_window(name: str, streams: Streams, n_steps: Ints) -> None:
    pattern, _ = sampling.PATTERNS[name]
    times = pattern(streams, n_steps, MAX)
    assert ((times >= 0) & (times <= 1)).all()
    assert (np.diff(times, axis=1) >= 0).all()
    assert (times[~is_step(n_steps)] == 1).all()
    longer = pattern(streams, n_steps, 2 * MAX)
    if name != "grid_with_gaps":
        np.testing.assert_array_equal(longer[:, :MAX][is_step(n_steps)], times[is_step(n_steps)])


def test_poisson_times_are_uniform(streams: Streams, n_steps: Ints) -> None:
    times = sampling.poisson_times(streams, n_steps, MAX)
    # each series on its own is uniform, so all together are
    assert kstest(times[is_step(n_steps)], "uniform").pvalue > 1e-6


def test_nights_have_measurements_in_the_dark_and_in_season_alone(streams: Streams, n_steps: Ints) -> None:
    times = sampling.night_times(streams, n_steps, MAX)
    n_years = streams.integers("years", 1, 9)[:, None]
    n_nights = np.floor(streams.log_uniform("nights", 10.0, 3000.0))[:, None]
    season, night = streams.uniform("season", 0.3, 1.0)[:, None], streams.uniform("night", 0.05, 0.4)[:, None]
    day = np.floor(times * n_nights + 1e-9)
    hours = times * n_nights - day
    chosen = is_step(n_steps)
    assert (hours <= night + 1e-6)[chosen].all()
    # a day in season begins at most one day before the part of the year that is in season ends
    place = day / n_nights * n_years
    assert ((place - np.floor(place) <= season + 1e-9) | (place - np.floor(place) >= 1 - n_years / n_nights))[
        chosen
    ].all()


def test_bursts_leave_most_of_the_window_empty(streams: Streams) -> None:
    full = np.full(G, MAX)
    bursts, poisson = (pattern(streams, full, MAX) for pattern in (sampling.burst_times, sampling.poisson_times))
    covered = [np.mean([len(np.unique(np.floor(row * 50))) for row in times]) for times in (bursts, poisson)]
    assert covered[0] < 0.6 * covered[1]


def test_grids_are_regular_and_jitter_stays_within_the_cell(streams: Streams, n_steps: Ints) -> None:
    times = sampling.grid_times(streams, n_steps, MAX) * n_steps[:, None]
    is_jittered = streams.chance("is jittered", 0.4)
    offset = (times - np.arange(MAX))[is_step(n_steps)]
    assert offset.min() >= -1e-9
    assert offset.max() <= 1
    regular = (times - np.arange(MAX))[~is_jittered][is_step(n_steps)[~is_jittered]]
    assert np.abs(regular).max() < 1e-9


def test_grids_with_gaps_have_different_points_of_a_grid(streams: Streams, n_steps: Ints) -> None:
    times = sampling.grid_times_with_gaps(streams, n_steps, MAX)
    n_points = np.ceil(n_steps / streams.uniform("kept part of the grid", 0.2, 0.95))
    places = times * n_points[:, None]
    chosen = is_step(n_steps)
    assert np.abs(places - np.round(places))[chosen].max() < 1e-6
    assert (np.diff(places, axis=1) > 0.5)[chosen[:, 1:]].all()
    assert (np.round(places) < n_points[:, None])[chosen].all()


def test_blocks_have_wide_gaps_between_them(streams: Streams) -> None:
    full = np.full(G, MAX)
    widest = [
        np.median(np.diff(pattern(streams, full, MAX), axis=1).max(axis=1))
        for pattern in (sampling.block_times, sampling.poisson_times)
    ]
    assert widest[0] > 1.5 * widest[1]


# -- numbers and channels -----------------------------------------------------------------------------------------


def test_numbers_of_tokens_and_channels_fill_their_ranges() -> None:
    many = Streams.for_series(0, np.arange(50_000))
    n_channels = sampling.draw_n_channels(many, 50)
    n_tokens = sampling.draw_n_tokens(many, n_channels, 512)
    assert (n_channels.min(), n_channels.max()) == (1, 50)
    assert (n_tokens.min(), n_tokens.max()) == (2, 512)
    assert abs((n_channels == 1).mean() - 0.5) < 6 * 0.5 / np.sqrt(len(many))
    assert 40 < np.median(n_tokens) < 55
    assert sampling.draw_n_channels(many, 3).max() == 3
    assert sampling.draw_n_tokens(many, n_channels, 17).max() == 17


def test_measurements_of_a_step_are_in_different_channels(streams: Streams) -> None:
    n_channels = streams.integers("channels of the test", 1, 51)
    n_tokens = streams.integers("tokens of the test", 2, MAX + 1)
    step, channel = sampling.draw_channel_layout(streams, n_tokens, n_channels, MAX)
    chosen = is_step(n_tokens)
    assert (step[:, 0] == 0).all()
    assert (np.diff(step, axis=1) >= 0)[chosen[:, 1:]].all()
    assert ((channel >= 0) & (channel < n_channels[:, None]))[chosen].all()
    pairs = (np.arange(G)[:, None] * 1000 + step) * 100 + channel
    assert len(np.unique(pairs[chosen])) == chosen.sum()
    single = n_channels == 1
    assert (step[single] == np.arange(MAX)).all()


def test_channels_are_measured_together_apart_and_in_subsets(streams: Streams) -> None:
    n_channels, n_tokens = np.full(G, 4), np.full(G, MAX)
    step, _ = sampling.draw_channel_layout(streams, n_tokens, n_channels, MAX)
    mode = streams.choice("channel layout", (0.40, 0.35, 0.25))
    per_step = MAX / sampling.count_steps(step, np.ones((G, MAX), bool))
    assert (per_step[mode == sampling.APART] == 1).all()
    assert per_step[mode == sampling.TOGETHER].min() > 1.5
    complete = (mode == sampling.TOGETHER) & streams.chance("is complete", 0.5)
    assert (per_step[complete] == 4).all()
    assert set(np.round(per_step[mode == sampling.SUBSETS], 1)) == {1.0, 2.0, 2.9, 4.0}


# -- queries ------------------------------------------------------------------------------------------------------


def placed(streams: Streams, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, Ints]:
    times = np.sort(streams.uniform("times of the test", shape=(MAX,)), axis=1)
    n_channels = streams.integers("channels of the test", 1, 4)
    channel = np.floor(streams.uniform("channel of the test", shape=(MAX,)) * n_channels[:, None]).astype(np.int64)
    is_query, new = query_placement.PLACEMENTS[name][0](streams, times, channel, n_channels)
    return is_query, new, times, channel


def test_queries_in_a_gap_are_contiguous(streams: Streams) -> None:
    is_query, new, times, _ = placed(streams, "gap")
    assert (np.abs(np.diff(is_query.astype(int), axis=1)).sum(axis=1) <= 2).all()
    assert new is times
    width = [np.ptp(row[chosen]) if chosen.any() else 0 for row, chosen in zip(times, is_query, strict=True)]
    assert max(width) <= 0.5


def test_queries_at_the_end_follow_all_visible_tokens(streams: Streams) -> None:
    is_query, _, _, _ = placed(streams, "end")
    assert (np.diff(is_query.astype(int), axis=1) >= 0).all()


def test_queries_of_a_channel_are_in_one_channel(streams: Streams) -> None:
    is_query, _, _, channel = placed(streams, "channel")
    several = channel.max(axis=1) > 0
    for chosen, own in zip(is_query[several], channel[several], strict=True):
        assert len(np.unique(own[chosen])) <= 1


def test_queries_anywhere_have_new_times_also_beyond_the_window(streams: Streams) -> None:
    is_query, new, times, _ = placed(streams, "anywhere")
    np.testing.assert_array_equal(new[~is_query], times[~is_query])
    assert (new[is_query] != times[is_query]).all()
    assert -0.1 < new.min() < -0.09
    assert 1.39 < new.max() < 1.4


def test_every_series_has_a_query_and_a_visible_token(streams: Streams) -> None:
    n_tokens = 2 + np.arange(G) % 5
    times = np.sort(streams.uniform("times of the test", shape=(8,)), axis=1)
    channel = np.zeros((G, 8), np.int64)
    is_query, new = query_placement.place_queries(streams, times, channel, np.ones(G, np.int64), n_tokens)
    n_queries = is_query.sum(axis=1)
    assert (n_queries >= 1).all()
    assert (n_queries < n_tokens).all()
    assert not is_query[np.arange(8) >= n_tokens[:, None]].any()
    np.testing.assert_array_equal(new[~is_query], times[~is_query])


def test_sorting_keeps_tokens_together() -> None:
    times, label = np.array([[0.5, 0.1, 0.9, 0.0]]), np.array([[5, 1, 9, 0]])
    ordered, labels = query_placement.sort_by_time(times, np.array([3]), label)
    np.testing.assert_array_equal(ordered[0, :3], [0.1, 0.5, 0.9])
    np.testing.assert_array_equal(labels[0, :3], [1, 5, 9])
