"""What the generators make is what they say, and nothing leaks from the test into training."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rotary_mae as rm
from reproduce.ablations.data import channels_as_values, light_curves
from reproduce.frequencies import experiment as frequencies
from reproduce.frequencies.data import WAVES, cycloid, make_waves
from reproduce.pendulum import experiment as pendulum
from reproduce.pendulum import augmentation as pendulum_views
from reproduce.pendulum.data import N_CLEAN, clarity_of_frames, draw, make_pendulums, swing
from reproduce.physionet import experiment as physionet
from reproduce.positions.experiment import TEST_SEED, TRAIN_SEED, equal_values, spread
from reproduce.run import Run
from reproduce.spirals import experiment as spirals
from reproduce.spirals import augmentation as spiral_views
from reproduce.spirals.data import NOISE, make_spirals
from reproduce.synthetic import experiment as synthetic
from reproduce.synthetic import augmentation as series_views
from reproduce.synthetic.data import best_possible, make_series, smoothing


def test_a_pendulum_falls_and_loses_energy() -> None:
    angles = swing(200, np.random.default_rng(0))
    assert angles.shape == (200, 100)
    assert angles[:, 0].min() >= 0
    assert angles[:, 0].max() <= 2 * np.pi
    near_top = np.abs(np.sin(angles[:, 0] / 2)) < 0.5
    lower = np.cos(angles[:, -1]) < np.cos(angles[:, 0])
    assert lower[~near_top].mean() > 0.6, "most hang lower after a second"
    # the first step: from rest, gravity pulls away from upright
    fall = np.sign(angles[:, 10] - angles[:, 0]) == np.sign(np.sin(angles[:, 0]))
    assert fall[np.abs(np.sin(angles[:, 0])) > 0.5].all()


def test_pictures_show_the_angle() -> None:
    for angle in np.linspace(0, 2 * np.pi, 9):
        picture = draw(angle) / 255
        row, column = np.indices(picture.shape) - 11.5
        x, y = (picture * column).sum(), -(picture * row).sum()
        assert np.angle(np.exp(1j * (np.arctan2(x, y) - angle))) == pytest.approx(0, abs=0.05)
    assert picture.shape == (24, 24)
    assert 0 <= picture.min() <= picture.max() <= 1


def test_noise_leaves_the_first_frames_alone_and_covers_all_shares() -> None:
    clarity = clarity_of_frames(500, np.random.default_rng(0))
    assert (clarity[:, :N_CLEAN] == 1).all()
    assert 0.1 < (clarity[:, N_CLEAN:] == 0).mean() < 0.3
    assert np.histogram(clarity[:, N_CLEAN:], 10)[0].min() > 0.03 * clarity.size
    series = make_pendulums(20, seed=1)
    clean = series.clarity == 1
    expected = np.stack([draw(angle) for angle in series.angles[clean]])
    assert np.abs(series.frames[clean] - np.round(expected)).max() <= 1
    noise = series.frames[series.clarity == 0].astype(float)
    assert noise.mean() == pytest.approx(127.5, abs=2)
    assert noise.std() == pytest.approx(255 / np.sqrt(12), abs=2)


def test_pendulums_keep_frames_in_order_and_repeat() -> None:
    one, two, other = make_pendulums(4, seed=3, n_kept=7), make_pendulums(4, seed=3, n_kept=7), make_pendulums(4, 4, 7)
    assert one.frames.shape == (4, 7, 24, 24)
    assert (np.diff(one.times, axis=1) > 0).all()
    assert (one.frames == two.frames).all()
    assert not (one.times == other.times).all()


def test_a_mirrored_pendulum_is_one_drawn_from_the_other_angle() -> None:
    series = make_pendulums(6, seed=0, n_kept=8)
    views = pendulum_views.Views(series, n_views=4)
    assert len(views) == 24
    tokens, plain = views[np.arange(24)], pendulum_views.as_tokens(series)
    same = 0
    for version in range(4):
        for i in range(6):
            seen, original = tokens[version * 6 + i], plain[i]
            assert seen.token_targets is not None
            assert original.token_targets is not None
            assert np.allclose(seen.token_targets[:, 1], original.token_targets[:, 1], atol=1e-6)
            is_mirrored = not np.allclose(seen.token_targets[:, 0], original.token_targets[:, 0])
            flip = original.values.reshape(-1, 24, 24)[:, :, :: -1 if is_mirrored else 1].reshape(-1, 576)
            assert np.allclose(seen.values, flip)
            same += not is_mirrored
    assert 4 < same < 20
    again = pendulum_views.Views(series, n_views=4)[[17, 3]]
    assert (again[0].values == tokens[17].values).all()


def test_views_of_a_pendulum_thin_and_pool() -> None:
    series = make_pendulums(6, seed=0, n_kept=20)
    thin = pendulum_views.Views(series, thinning=0.8, noise_fraction=0.5, pool=2)[:]
    assert thin.values.shape[1] == 144
    assert thin.lengths.min() < 18
    pooled = pendulum_views.as_tokens(series, pool=2).values
    assert pooled.mean() == pytest.approx(pendulum_views.as_tokens(series).values.mean(), abs=1e-5)
    assert thin.positions.max() <= 99


def test_spirals_are_archimedean_either_way_round() -> None:
    made = make_spirals(400, seed=0)
    assert made.truth.shape == (400, 75, 2)
    assert 0.4 < (made.turns > 0).mean() < 0.6
    radius = np.linalg.norm(made.truth[:, 1:], axis=-1)
    growth = np.diff(radius[:, 20:], axis=1) / np.diff(made.times)[20:-1]
    assert growth.mean() == pytest.approx(0.3, abs=0.005)
    assert growth.mean(1).std() == pytest.approx(0.02, abs=0.004)
    assert (made.noisy - made.truth).std() == pytest.approx(NOISE, rel=0.02)
    assert [spiral_views.turn_of(points) for points in made.truth] == made.turns.tolist()
    assert [spiral_views.turn_of(points) for points in made.noisy] == made.turns.tolist()
    assert (made.is_hidden.sum(1) == 45).all()
    assert made.is_hidden[:, 38:].all()


def test_the_formula_finds_spirals_without_noise() -> None:
    made = make_spirals(5, seed=0)
    assert np.allclose(spirals.least_squares(made, made.truth), made.truth[made.is_hidden])


def test_mixed_spirals_are_spirals() -> None:
    made = make_spirals(30, seed=0)
    clean = spirals.Spirals(made.times, made.truth, made.truth, made.is_hidden, made.turns)
    tokens = spiral_views.Views(clean, n_views=3, is_mirrored=True, mixing=1.0)[:]
    points = tokens.values.reshape(90, 75, 2)
    mixed = spirals.Spirals(made.times, points, points, np.tile(made.is_hidden, (3, 1)), np.zeros(90))
    assert np.allclose(spirals.least_squares(mixed, points), points[mixed.is_hidden], atol=1e-4)
    assert not np.allclose(points[:30], made.truth)


def test_noise_comes_to_the_points_that_may_be_shown() -> None:
    settings: dict[str, Any] = {"n_components": 2, "smoothing": [17, 5], "noise": 0.5}
    quiet, noisy, half = (
        spiral_views.Views(make_spirals(30, seed=0), **{**settings, **more})[:].values.reshape(30, 75, 2)
        for more in ({"noise": 0.0}, {}, {"n_noisy": 38})
    )
    assert np.array_equal(half[:, :38], noisy[:, :38])
    assert np.array_equal(half[:, 38:], quiet[:, 38:])
    assert (noisy != quiet).all()


def test_components_find_spirals_again_better_of_more_and_smoothed_ones(tmp_path: Path) -> None:
    other = make_spirals(50, seed=9)

    def error(n: int, smoothing: list[int] | None) -> float:
        run = Run(spirals.EXPERIMENT, "quick", 0, tmp_path)
        run.settings |= {"n_spirals": [n, 0, 10], "views": {**run.settings["views"], "smoothing": smoothing}}
        return spirals.error(spirals.of_components(run, other, other.truth), other.truth, other)

    smoothed = error(200, [17, 5])
    assert smoothed < error(200, None)
    assert smoothed < error(50, [17, 5])
    assert smoothed < 0.02


def test_what_is_hidden_in_training_is_as_much_as_in_the_test() -> None:
    batch = rm.TokenBatch.collate(spiral_views.as_tokens(make_spirals(8, 0)))
    config = rm.TrainingConfig.from_dict({"hiding": spirals.AS_ASKED})
    hidden = batch.hide(config.hiding, seed=0).is_hidden
    assert hidden is not None
    hidden = hidden.numpy().reshape(8, 75)
    assert (hidden.sum(1) == 45).all()
    assert hidden[:, 38:].all()


def test_synthetic_series_vary_and_hang_together_as_the_law_says() -> None:
    made = make_series(4000, seed=0)
    weights = smoothing(made.times)
    assert np.allclose(weights.sum(1), 1)
    covariance = weights @ weights.T + 0.01 * np.eye(50)
    assert np.abs(np.cov(made.values.T) - covariance).max() < 0.1
    n_seen = (~made.is_hidden).sum(1)
    assert set(n_seen) == set(range(3, 11))


def test_nothing_beats_the_law_that_made_the_series() -> None:
    made = make_series(400, seed=1)
    best = synthetic.error(best_possible(made), made)
    assert 0.15 < best < 0.25
    assert best < synthetic.error(synthetic.linear_interpolation(made), made)
    assert best < synthetic.error(0.9 * best_possible(made), made)


def test_views_of_series_vary_and_hang_together_as_before() -> None:
    made = make_series(1000, seed=0)
    values = series_views.Views(made, n_views=4, is_turned=True, mixing=1.0)[:].values.reshape(4000, 50)
    covariance = smoothing(made.times) @ smoothing(made.times).T + 0.01 * np.eye(50)
    assert np.abs(np.cov(values.T) - covariance).max() < 0.15


def test_positions_are_the_answers() -> None:
    tokens = equal_values(50, 10, 50.0, seed=0)
    assert (tokens.values == 1).all()
    assert tokens.token_targets is not None
    assert np.allclose(tokens.token_targets * spread(50.0) + 25, tokens.positions, atol=1e-4)
    moved = equal_values(50, 10, 50.0, seed=0, moved=10.0)
    assert np.allclose(moved.positions, tokens.positions + 10)
    assert np.array_equal(moved.token_targets, tokens.token_targets)
    assert TRAIN_SEED != TEST_SEED


def test_no_series_is_in_two_splits() -> None:
    for parts, of in (
        (pendulum.splits(6, 5, 4), lambda part: part.angles[:, 0]),
        (spirals.splits(6, 5, 4), lambda part: part.noisy[:, 5, 0]),
        (synthetic.splits(6, 5, 4), lambda part: part.values[:, 5]),
    ):
        assert [len(part) for part in parts.values()] == [6, 5, 4]
        everything = np.concatenate([of(part) for part in parts.values()])
        assert len(np.unique(everything)) == 15


def test_waves_have_their_frequency_and_height() -> None:
    for kind in WAVES:
        waves = make_waves(kind, 20, seed=0, frequency=5)
        spectrum = np.abs(np.fft.rfft(waves.values, axis=1)) / 50
        assert (spectrum[:, 1:].argmax(1) == 4).all(), kind
        assert np.abs(waves.values).max() <= 1.1
        assert (waves.is_hidden.sum(1) == 50).all()
    sums = make_waves("sines", 400, seed=0).values
    assert sums.max() > 1.5, "some are sums of two"


def test_a_cycloid_is_the_path_of_a_point_on_a_wheel() -> None:
    angle = np.linspace(0, 2 * np.pi, 101)[:-1]
    rolled = (angle - np.sin(angle)) / (2 * np.pi)
    assert np.allclose(cycloid(rolled + 3), -np.cos(angle), atol=1e-4)


def test_errors_in_time_and_in_the_spectrum() -> None:
    waves = make_waves("sines", 30, seed=0, frequency=3)
    assert frequencies.errors(waves.values[waves.is_hidden], waves) == (0.0, 0.0)
    in_time, in_spectrum = frequencies.errors(np.zeros(30 * 50), waves)
    assert in_time == pytest.approx(0.5, rel=0.1)
    assert in_spectrum > 0


def test_simple_answers_are_read_off_what_is_visible() -> None:
    positions = [[0, 0], [1, 0], [2, 0], [1, 1], [0, 0], [3, 0]]
    tokens = rm.TokenSet([10.0, 99, 14, 5, 20, 99], positions, [4, 2], axes=("time", "channel"), channels=("a", "b"))
    hidden = np.array([False, True, False, True, False, True])
    answers = physionet.simple_answers(tokens, hidden)
    mean = (10 + 14 + 20) / 3
    assert np.allclose(answers["straight lines between neighbours in time"], [12, 0, 20])
    assert np.allclose(answers["last value of the variable"], [10, 0, 20])
    assert np.allclose(answers["mean of the variable"], [mean, 0, mean])


def test_stays_are_in_one_split_and_hidden_times_are_whole() -> None:
    n = 50
    times = np.tile([0.0, 0.0, 5.0, 5.0, 9.0, 9.0], n)
    channels = np.tile([0.0, 1.0], 3 * n)
    tokens = rm.TokenSet(
        np.zeros(6 * n), np.stack([times, channels], 1), [6] * n, axes=("time", "channel"), channels=("a", "b")
    )
    parts = physionet.splits(tokens, 0.2)
    ids = np.concatenate([part.ids for part in parts.values()])
    assert sorted(ids) == list(range(n))
    assert [len(part) for part in parts.values()] == [32, 8, 10]
    hidden = physionet.hidden_times(tokens).reshape(n, 3, 2)
    assert (hidden[..., 0] == hidden[..., 1]).all()
    assert (hidden.sum(1) == 2).all()


def test_channels_become_values_that_are_not_predicted() -> None:
    curves = rm.simulate_light_curves(6, seed=0)
    tokens = channels_as_values(curves)
    assert tokens.axes == ("time",)
    assert tokens.schema.n_predicted == curves.schema.n_predicted == 1
    assert (tokens.values[:, -4:].argmax(1) == curves.positions[:, 1]).all()
    assert (tokens.values[:, -4:].sum(1) == 1).all()


def test_samples_that_judge_are_not_trained_on() -> None:
    parts = light_curves(40, "auto", seed=1)
    assert not set(parts.training.ids) & set(parts.validation.ids)
    assert len(parts.validation) == 10
    assert parts.n_classes == 4
