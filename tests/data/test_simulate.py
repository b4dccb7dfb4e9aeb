"""Simulated light curves: the noise-free flux is known, and classes are neither trivial nor hopeless."""

import numpy as np
import pytest
from scipy.stats import skew
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import cross_val_predict

from rotary_mae.data.simulate import BANDS, CLASSES, LightCurves, simulate_light_curves, simulate_with_truth
from rotary_mae.data.tokens import TokenSet
from tests.builders import count_calls


@pytest.fixture(scope="module")
def curves() -> LightCurves:
    return simulate_with_truth(400, seed=3)


@pytest.fixture(scope="module")
def tokens(curves: LightCurves) -> TokenSet:
    return curves.tokens


def test_tokens_are_as_documented(tokens: TokenSet) -> None:
    assert len(tokens) == 400
    assert tokens.axes == ("time", "channel")
    assert tokens.channels == BANDS
    assert tokens.schema.roles == ("value", "error")
    assert tokens.lengths.min() >= 20
    assert tokens.lengths.max() <= 150
    assert len(set(tokens.ids.tolist())) == 400
    assert dict(zip(*np.unique(tokens.targets, return_counts=True), strict=True)) == dict.fromkeys(CLASSES, 100)
    assert (tokens.values[:, 1] > 0).all()


def test_sampling_is_uneven_and_in_two_seasons(tokens: TokenSet, curves: LightCurves) -> None:
    gaps = np.diff(tokens.positions[:, 0])[np.diff(tokens.sample_idx) == 0]
    assert gaps.min() >= 0
    days = tokens.positions[:, 0] - curves.objects.starts[tokens.sample_idx]
    assert days.min() >= 0
    assert days.max() < 241
    assert not ((days > 96) & (days < 145)).any()
    counts = np.array([np.bincount(one.positions[:, 1].astype(int), minlength=len(BANDS)) for one in tokens])
    assert (counts.max(axis=1) > counts.min(axis=1)).mean() > 0.9
    assert len(np.unique(tokens.positions[:, 0])) == tokens.n_tokens  # no two bands at the same epoch


def test_the_seed_decides_all_numbers() -> None:
    first, again, other = (simulate_light_curves(30, seed=s) for s in (1, 1, 2))
    assert np.array_equal(first.values, again.values)
    assert np.array_equal(first.positions, again.positions)
    assert np.array_equal(first.targets, again.targets)
    assert not np.array_equal(first.values[:20], other.values[:20])


def test_classes_can_be_chosen() -> None:
    some = simulate_light_curves(5, classes=("supernova", "pulsator"))
    assert sorted(some.targets.tolist()) == ["pulsator"] * 2 + ["supernova"] * 3
    assert simulate_light_curves(1, classes=["agn"]).targets.tolist() == ["agn"]


@pytest.mark.parametrize("n", [0, -3, 2.5, "6", True])
def test_wrong_numbers_of_objects_are_errors(n: object) -> None:
    with pytest.raises(ValueError, match="n must be the number of objects, an integer"):
        simulate_light_curves(n)


@pytest.mark.parametrize("classes", [(), "agn", ("agn", "agn"), ("agn", "nova")])
def test_wrong_classes_are_errors(classes: object) -> None:
    with pytest.raises(ValueError, match="classes"):
        simulate_light_curves(5, classes=classes)


def test_residuals_are_as_large_as_the_errors(tokens: TokenSet, curves: LightCurves) -> None:
    truth = np.concatenate([curves.truth(i, one.positions) for i, one in enumerate(tokens)])[:, 0]
    residuals = (tokens.values[:, 0] - truth) / tokens.values[:, 1]
    assert residuals.mean() == pytest.approx(0, abs=0.03)
    assert residuals.std() == pytest.approx(1, abs=0.03)


def test_the_truth_at_a_position_does_not_depend_on_other_positions(tokens: TokenSet, curves: LightCurves) -> None:
    start = curves.objects.starts[0]
    grid = np.stack([np.linspace(start - 1e4, start + 1e4, 50), np.arange(50) % len(BANDS)], axis=1)
    for name in CLASSES:
        sample = int(np.flatnonzero(tokens.targets == name)[0])
        truth = curves.truth(sample, grid)
        assert truth.shape == (50, 1)
        assert np.isfinite(truth).all()
        alone = np.concatenate([curves.truth(sample, grid[i : i + 1]) for i in range(50)])
        np.testing.assert_array_equal(truth, alone)
        np.testing.assert_array_equal(truth, curves.truth(sample - len(tokens), grid))


def test_the_truth_is_smooth(curves: LightCurves) -> None:
    hours = np.arange(0, 240, 1 / 24)
    for sample in range(20):
        hourly = np.stack([curves.objects.starts[sample] + hours, np.zeros_like(hours)], axis=1)
        truth = curves.truth(sample, hourly)[:, 0]
        assert np.abs(np.diff(truth)).max() < 0.1 * np.ptp(truth)


def test_wrong_positions_and_samples_are_errors(curves: LightCurves) -> None:
    with pytest.raises(ValueError, match=r"positions must be \(q, 2\)"):
        curves.truth(0, [60_000.0, 1.0])
    for band in (-1, 0.5, 4):
        with pytest.raises(ValueError, match="index of one of the bands"):
            curves.truth(0, [[60_000.0, band]])
    with pytest.raises(IndexError, match="sample 400"):
        curves.truth(400, [[60_000.0, 1]])


def test_work_outside_of_arrays_does_not_grow_with_the_number_of_objects() -> None:
    simulate_light_curves(10)  # imports
    few, many = (count_calls(lambda n=n: simulate_light_curves(n)) for n in (20, 2_000))
    # the ids are the only loop over objects
    assert many < few + 2 * 2_000


def test_statistics_of_values_identify_classes_only_in_part(tokens: TokenSet) -> None:
    """Mean, standard deviation, skewness and range of each band: clearly above chance (0.25), far below 1."""
    forest = RandomForestClassifier(50, random_state=0)
    predicted = cross_val_predict(forest, _marginals(tokens), tokens.targets, cv=5)
    assert 0.5 < balanced_accuracy_score(tokens.targets, predicted) < 0.9


def test_other_bands_improve_interpolation(curves: LightCurves) -> None:
    """A smooth curve through all bands is closer to the truth than linear interpolation within a band."""
    rng = np.random.default_rng(0)
    errors = []
    for sample in range(100):
        one = curves.tokens[sample]
        is_masked = rng.random(one.n_tokens) < 0.3
        truth = curves.truth(sample, one.positions[is_masked])[:, 0]
        predictions = (_linear(one, is_masked), _smooth(one, is_masked))
        errors.append([np.mean((predicted - truth) ** 2) for predicted in predictions])
    linear, smooth = np.mean(errors, axis=0)
    assert smooth < 0.8 * linear


def _marginals(tokens: TokenSet) -> np.ndarray:
    rows = []
    for one in tokens:
        parts = [one.values[one.positions[:, 1] == band, 0] for band in range(len(BANDS))]
        parts = [part if len(part) > 1 else one.values[:, 0] for part in parts]
        rows.append([f(part) for part in parts for f in (np.mean, np.std, skew, np.ptp)])
    return np.array(rows)


def _band_means(one: TokenSet, is_visible: np.ndarray) -> np.ndarray:
    visible = [one.values[is_visible & (one.positions[:, 1] == band), 0] for band in range(len(BANDS))]
    return np.array([part.mean() if len(part) else one.values[is_visible, 0].mean() for part in visible])


def _linear(one: TokenSet, is_masked: np.ndarray) -> np.ndarray:
    times, bands = one.positions[:, 0], one.positions[:, 1].astype(int)
    predicted = _band_means(one, ~is_masked)[bands]
    for band in range(len(BANDS)):
        visible, queried = ~is_masked & (bands == band), is_masked & (bands == band)
        if visible.any():
            predicted[queried] = np.interp(times[queried], times[visible], one.values[visible, 0])
    return predicted[is_masked]


def _smooth(one: TokenSet, is_masked: np.ndarray, days: float = 8.0) -> np.ndarray:
    """A Gaussian process over time that all bands share, apart from their means."""
    times, bands = one.positions[:, 0], one.positions[:, 1].astype(int)
    means, visible = _band_means(one, ~is_masked)[bands], ~is_masked
    residuals = (one.values[:, 0] - means)[visible]
    same_band = bands[:, None] == bands[visible]
    kernel = np.exp(-0.5 * ((times[:, None] - times[visible]) / days) ** 2) * (0.9 + 0.1 * same_band)
    noise = np.diag(one.values[visible, 1] ** 2) / max(residuals.var(), 1e-3)
    return means[is_masked] + kernel[is_masked] @ np.linalg.solve(kernel[visible] + noise, residuals)
