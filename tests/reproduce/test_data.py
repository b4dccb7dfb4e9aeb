"""Generated data have the documented properties, and no sample is in two splits."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rotary_mae as rm
from reproduce.ablations.data import channels_as_values, light_curves
from reproduce.frequencies import experiment as frequencies
from reproduce.frequencies.data import WAVES, cycloid, make_waves
from reproduce.pendulum import experiment as pendulum
from reproduce.pendulum.augmentation import AugmentedPendulums
from reproduce.pendulum.augmentation import as_tokens as pendulum_tokens
from reproduce.pendulum.data import N_CLEAN, clarity_of_frames, draw, make_pendulums, swing
from reproduce.physionet import experiment as physionet
from reproduce.positions.experiment import TEST_SEED, TRAIN_SEED, equal_values, uniform_std
from reproduce.run import Run
from reproduce.series import linear_interpolation
from reproduce.spirals import experiment as spirals
from reproduce.spirals.augmentation import AugmentedSpirals, direction_of
from reproduce.spirals.augmentation import as_tokens as spiral_tokens
from reproduce.spirals.data import NOISE, make_spirals
from reproduce.synthetic import experiment as synthetic
from reproduce.synthetic.augmentation import AugmentedSeries
from reproduce.synthetic.data import make_series, optimal_prediction, smoothing


def test_pendulum_falls_and_loses_energy() -> None:
    angles = swing(200, np.random.default_rng(0))
    assert angles.shape == (200, 100)
    assert angles[:, 0].min() >= 0
    assert angles[:, 0].max() <= 2 * np.pi
    near_top = np.abs(np.sin(angles[:, 0] / 2)) < 0.5
    lower = np.cos(angles[:, -1]) < np.cos(angles[:, 0])
    assert lower[~near_top].mean() > 0.6, "most are lower after a second"
    # the first step: from rest, gravity pulls away from upright
    fall = np.sign(angles[:, 10] - angles[:, 0]) == np.sign(np.sin(angles[:, 0]))
    assert fall[np.abs(np.sin(angles[:, 0])) > 0.5].all()


def test_images_show_the_angle() -> None:
    for angle in np.linspace(0, 2 * np.pi, 9):
        image = draw(angle) / 255
        row, column = np.indices(image.shape) - 11.5
        x, y = (image * column).sum(), -(image * row).sum()
        assert np.angle(np.exp(1j * (np.arctan2(x, y) - angle))) == pytest.approx(0, abs=0.05)
    assert image.shape == (24, 24)
    assert 0 <= image.min() <= image.max() <= 1


def test_first_frames_have_no_noise_and_others_have_all_noise_weights() -> None:
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


def test_pendulum_frames_are_in_order_and_depend_on_the_seed_alone() -> None:
    one, two, other = make_pendulums(4, seed=3, n_kept=7), make_pendulums(4, seed=3, n_kept=7), make_pendulums(4, 4, 7)
    assert one.frames.shape == (4, 7, 24, 24)
    assert (np.diff(one.times, axis=1) > 0).all()
    assert (one.frames == two.frames).all()
    assert not (one.times == other.times).all()


def test_mirrored_pendulum_equals_the_image_of_the_negative_angle() -> None:
    series = make_pendulums(6, seed=0, n_kept=8)
    versions = AugmentedPendulums(series, n_views=4)
    assert len(versions) == 24
    tokens, plain = versions[np.arange(24)], pendulum_tokens(series)
    same = 0
    for version in range(4):
        for i in range(6):
            augmented, original = tokens[version * 6 + i], plain[i]
            assert augmented.token_targets is not None
            assert original.token_targets is not None
            assert np.allclose(augmented.token_targets[:, 1], original.token_targets[:, 1], atol=1e-6)
            is_mirrored = not np.allclose(augmented.token_targets[:, 0], original.token_targets[:, 0])
            flip = original.values.reshape(-1, 24, 24)[:, :, :: -1 if is_mirrored else 1].reshape(-1, 576)
            assert np.allclose(augmented.values, flip)
            same += not is_mirrored
    assert 4 < same < 20
    again = AugmentedPendulums(series, n_views=4)[[17, 3]]
    assert (again[0].values == tokens[17].values).all()


def test_pendulum_augmentation_drops_frames_and_averages_pixels() -> None:
    series = make_pendulums(6, seed=0, n_kept=20)
    thin = AugmentedPendulums(series, thinning=0.8, noise_fraction=0.5, pool=2)[:]
    assert thin.values.shape[1] == 144
    assert thin.lengths.min() < 18
    pooled = pendulum_tokens(series, pool=2).values
    assert pooled.mean() == pytest.approx(pendulum_tokens(series).values.mean(), abs=1e-5)
    assert thin.positions.max() <= 99


def test_spirals_are_archimedean_in_both_directions() -> None:
    made = make_spirals(400, seed=0)
    assert made.truth.shape == (400, 75, 2)
    assert 0.4 < (made.turns > 0).mean() < 0.6
    radius = np.linalg.norm(made.truth[:, 1:], axis=-1)
    growth = np.diff(radius[:, 20:], axis=1) / np.diff(made.times)[20:-1]
    assert growth.mean() == pytest.approx(0.3, abs=0.005)
    assert growth.mean(1).std() == pytest.approx(0.02, abs=0.004)
    assert (made.noisy - made.truth).std() == pytest.approx(NOISE, rel=0.02)
    assert [direction_of(points) for points in made.truth] == made.turns.tolist()
    assert [direction_of(points) for points in made.noisy] == made.turns.tolist()
    assert (made.is_hidden.sum(1) == 45).all()
    assert made.is_hidden[:, 38:].all()


def test_fitted_formula_recovers_spirals_without_noise() -> None:
    made = make_spirals(5, seed=0)
    assert np.allclose(spirals.fit_formula(made, made.truth), made.truth[made.is_hidden])


def test_mixtures_of_spirals_are_spirals() -> None:
    made = make_spirals(30, seed=0)
    clean = spirals.Spirals(made.times, made.truth, made.truth, made.is_hidden, made.turns)
    tokens = AugmentedSpirals(clean, n_views=3, is_mirrored=True, mixing=1.0)[:]
    points = tokens.values.reshape(90, 75, 2)
    mixed = spirals.Spirals(made.times, points, points, np.tile(made.is_hidden, (3, 1)), np.zeros(90))
    assert np.allclose(spirals.fit_formula(mixed, points), points[mixed.is_hidden], atol=1e-4)
    assert not np.allclose(points[:30], made.truth)


def test_noise_is_added_to_the_first_points_alone() -> None:
    settings: dict[str, Any] = {"n_components": 2, "smoothing": [17, 5], "noise": 0.5}
    quiet, noisy, half = (
        AugmentedSpirals(make_spirals(30, seed=0), **{**settings, **more})[:].values.reshape(30, 75, 2)
        for more in ({"noise": 0.0}, {}, {"n_noisy": 38})
    )
    assert np.array_equal(half[:, :38], noisy[:, :38])
    assert np.array_equal(half[:, 38:], quiet[:, 38:])
    assert (noisy != quiet).all()


def test_components_fit_better_with_more_spirals_and_with_smoothing(tmp_path: Path) -> None:
    other = make_spirals(50, seed=9)

    def error(n: int, smoothing: list[int] | None) -> float:
        run = Run(spirals.EXPERIMENT, "quick", 0, tmp_path)
        run.settings |= {"n_spirals": [n, 0, 10], "views": {**run.settings["views"], "smoothing": smoothing}}
        return spirals.error(spirals.fit_components(run, other, other.truth), other.truth, other)

    smoothed = error(200, [17, 5])
    assert smoothed < error(200, None)
    assert smoothed < error(50, [17, 5])
    assert smoothed < 0.02


def test_training_masks_as_many_points_as_the_test() -> None:
    batch = rm.TokenBatch.collate(spiral_tokens(make_spirals(8, 0)))
    config = rm.TrainingConfig.from_dict({"hiding": spirals.HIDING})
    is_hidden = batch.hide(config.hiding, seed=0).is_hidden
    assert is_hidden is not None
    is_hidden = is_hidden.numpy().reshape(8, 75)
    assert (is_hidden.sum(1) == 45).all()
    assert is_hidden[:, 38:].all()


def test_synthetic_series_have_the_covariance_of_the_generating_distribution() -> None:
    made = make_series(4000, seed=0)
    weights = smoothing(made.times)
    assert np.allclose(weights.sum(1), 1)
    covariance = weights @ weights.T + 0.01 * np.eye(50)
    assert np.abs(np.cov(made.values.T) - covariance).max() < 0.1
    n_visible = (~made.is_hidden).sum(1)
    assert set(n_visible) == set(range(3, 11))


def test_optimal_prediction_has_the_lowest_error() -> None:
    made = make_series(400, seed=1)
    best = synthetic.error(optimal_prediction(made), made)
    assert 0.15 < best < 0.25
    assert best < synthetic.error(linear_interpolation(made.times, made.values, made.is_hidden), made)
    assert best < synthetic.error(0.9 * optimal_prediction(made), made)


def test_augmentation_of_series_keeps_their_covariance() -> None:
    made = make_series(1000, seed=0)
    values = AugmentedSeries(made, n_views=4, is_turned=True, mixing=1.0)[:].values.reshape(4000, 50)
    covariance = smoothing(made.times) @ smoothing(made.times).T + 0.01 * np.eye(50)
    assert np.abs(np.cov(values.T) - covariance).max() < 0.15


def test_positions_are_the_targets() -> None:
    tokens = equal_values(50, 10, 50.0, seed=0)
    assert (tokens.values == 1).all()
    assert tokens.token_targets is not None
    assert np.allclose(tokens.token_targets * uniform_std(50.0) + 25, tokens.positions, atol=1e-4)
    shifted = equal_values(50, 10, 50.0, seed=0, shift=10.0)
    assert np.allclose(shifted.positions, tokens.positions + 10)
    assert np.array_equal(shifted.token_targets, tokens.token_targets)
    assert TRAIN_SEED != TEST_SEED


def test_no_generated_series_is_in_two_splits() -> None:
    for splits, key in (
        (pendulum.splits(6, 5, 4), lambda split: split.angles[:, 0]),
        (spirals.splits(6, 5, 4), lambda split: split.noisy[:, 5, 0]),
        (synthetic.splits(6, 5, 4), lambda split: split.values[:, 5]),
    ):
        assert [len(split) for split in splits.values()] == [6, 5, 4]
        keys = np.concatenate([key(split) for split in splits.values()])
        assert len(np.unique(keys)) == 15


def test_waves_have_the_given_frequency_and_amplitude() -> None:
    for kind in WAVES:
        waves = make_waves(kind, 20, seed=0, frequency=5)
        spectrum = np.abs(np.fft.rfft(waves.values, axis=1)) / 50
        assert (spectrum[:, 1:].argmax(1) == 4).all(), kind
        assert np.abs(waves.values).max() <= 1.1
        assert (waves.is_hidden.sum(1) == 50).all()
    sums = make_waves("sines", 400, seed=0).values
    assert sums.max() > 1.5, "some are sums of two"


def test_cycloid_is_the_path_of_a_point_on_a_wheel() -> None:
    angle = np.linspace(0, 2 * np.pi, 101)[:-1]
    rolled = (angle - np.sin(angle)) / (2 * np.pi)
    assert np.allclose(cycloid(rolled + 3), -np.cos(angle), atol=1e-4)


def test_errors_of_values_and_spectra() -> None:
    waves = make_waves("sines", 30, seed=0, frequency=3)
    assert frequencies.errors(waves.values[waves.is_hidden], waves) == (0.0, 0.0)
    in_time, in_spectrum = frequencies.errors(np.zeros(30 * 50), waves)
    assert in_time == pytest.approx(0.5, rel=0.1)
    assert in_spectrum > 0


def test_physionet_baselines_use_visible_values_alone() -> None:
    positions = [[0, 0], [1, 0], [2, 0], [1, 1], [0, 0], [3, 0]]
    tokens = rm.TokenSet([10.0, 99, 14, 5, 20, 99], positions, [4, 2], axes=("time", "channel"), channels=("a", "b"))
    is_hidden = np.array([False, True, False, True, False, True])
    predictions = physionet.baselines(tokens, is_hidden)
    mean = (10 + 14 + 20) / 3
    assert np.allclose(predictions[physionet.LINEAR], [12, 0, 20])
    assert np.allclose(predictions[physionet.LAST], [10, 0, 20])
    assert np.allclose(predictions[physionet.MEAN], [mean, 0, mean])


def test_each_stay_is_in_one_split_and_masked_times_are_complete() -> None:
    n = 50
    times = np.tile([0.0, 0.0, 5.0, 5.0, 9.0, 9.0], n)
    channels = np.tile([0.0, 1.0], 3 * n)
    tokens = rm.TokenSet(
        np.zeros(6 * n), np.stack([times, channels], 1), [6] * n, axes=("time", "channel"), channels=("a", "b")
    )
    splits = physionet.splits(tokens, 0.2)
    ids = np.concatenate([split.ids for split in splits.values()])
    assert sorted(ids) == list(range(n))
    assert [len(split) for split in splits.values()] == [32, 8, 10]
    is_hidden = physionet.mask_times(tokens).reshape(n, 3, 2)
    assert (is_hidden[..., 0] == is_hidden[..., 1]).all()
    assert (is_hidden.sum(1) == 2).all()


def test_channels_as_values_are_not_predicted() -> None:
    curves = rm.simulate_light_curves(6, seed=0)
    tokens = channels_as_values(curves)
    assert tokens.axes == ("time",)
    assert tokens.schema.n_predicted == curves.schema.n_predicted == 1
    assert (tokens.values[:, -4:].argmax(1) == curves.positions[:, 1]).all()
    assert (tokens.values[:, -4:].sum(1) == 1).all()


def test_validation_samples_are_not_in_the_training_set() -> None:
    split = light_curves(40, "auto", seed=1)
    assert not set(split.training.ids) & set(split.validation.ids)
    assert len(split.validation) == 10
    assert split.n_classes == 4
