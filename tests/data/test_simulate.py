"""Simulated light curves: known truth, and neither trivial nor hopeless."""

import time

import numpy as np
import pytest
from scipy.stats import skew
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import cross_val_predict

from rotary_mae.data.simulate import BANDS, CLASSES, LightCurves, simulate_light_curves, simulate_with_truth
from rotary_mae.data.tokens import TokenSet


@pytest.fixture(scope="module")
def curves() -> LightCurves:
    return simulate_with_truth(400, seed=3)


@pytest.fixture(scope="module")
def tokens(curves: LightCurves) -> TokenSet:
    return curves.tokens


def test_what_it_says(tokens: TokenSet) -> None:
    assert len(tokens) == 400
    assert tokens.axes == ("time", "channel")
    assert tokens.channels == BANDS
    assert tokens.schema.roles == ("value", "error")
    assert tokens.lengths.min() >= 20
    assert tokens.lengths.max() <= 150
    assert len(set(tokens.ids.tolist())) == 400
    assert dict(zip(*np.unique(tokens.targets, return_counts=True), strict=True)) == dict.fromkeys(CLASSES, 100)
    assert (tokens.values[:, 1] > 0).all()


def test_uneven_sampling(tokens: TokenSet, curves: LightCurves) -> None:
    gaps = np.diff(tokens.positions[:, 0])[np.diff(tokens.sample_idx) == 0]
    assert gaps.min() >= 0
    days = tokens.positions[:, 0] - curves.objects.starts[tokens.sample_idx]
    assert days.min() >= 0
    assert days.max() < 241
    assert not ((days > 96) & (days < 145)).any()
    counts = np.array([np.bincount(one.positions[:, 1].astype(int), minlength=len(BANDS)) for one in tokens])
    assert (counts.max(axis=1) > counts.min(axis=1)).mean() > 0.9
    assert len(np.unique(tokens.positions[:, 0])) == tokens.n_tokens  # no two bands at the same epoch


def test_a_seed_repeats_and_another_differs() -> None:
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
def test_bad_numbers(n: object) -> None:
    with pytest.raises(ValueError, match="n must be a whole number"):
        simulate_light_curves(n)


@pytest.mark.parametrize("classes", [(), "agn", ("agn", "agn"), ("agn", "nova")])
def test_bad_classes(classes: object) -> None:
    with pytest.raises(ValueError, match="classes"):
        simulate_light_curves(5, classes=classes)


def test_residuals_are_as_large_as_the_errors(tokens: TokenSet, curves: LightCurves) -> None:
    truth = np.concatenate([curves.truth(i, one.positions) for i, one in enumerate(tokens)])[:, 0]
    residuals = (tokens.values[:, 0] - truth) / tokens.values[:, 1]
    assert residuals.mean() == pytest.approx(0, abs=0.03)
    assert residuals.std() == pytest.approx(1, abs=0.03)


def test_truth_anywhere(tokens: TokenSet, curves: LightCurves) -> None:
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


def test_truth_is_smooth(curves: LightCurves) -> None:
    hours = np.arange(0, 240, 1 / 24)
    for sample in range(20):
        at = np.stack([curves.objects.starts[sample] + hours, np.zeros_like(hours)], axis=1)
        truth = curves.truth(sample, at)[:, 0]
        assert np.abs(np.diff(truth)).max() < 0.1 * np.ptp(truth)


def test_truth_errors(curves: LightCurves) -> None:
    with pytest.raises(ValueError, match=r"positions must be \(q, 2\)"):
        curves.truth(0, [60_000.0, 1.0])
    for band in (-1, 0.5, 4):
        with pytest.raises(ValueError, match="index of one of the bands"):
            curves.truth(0, [[60_000.0, band]])
    with pytest.raises(IndexError, match="sample 400"):
        curves.truth(400, [[60_000.0, 1]])


def test_ten_thousand_take_seconds() -> None:
    begin = time.perf_counter()
    assert len(simulate_light_curves(10_000)) == 10_000
    assert time.perf_counter() - begin < 10


def test_values_alone_tell_only_part_of_the_class(tokens: TokenSet) -> None:
    """Mean, spread, skew and range of each band, without time: clearly above chance (0.25), far below 1."""
    forest = RandomForestClassifier(50, random_state=0)
    guess = cross_val_predict(forest, _marginals(tokens), tokens.targets, cv=5)
    assert 0.5 < balanced_accuracy_score(tokens.targets, guess) < 0.9


def test_other_bands_help_to_interpolate(curves: LightCurves) -> None:
    """A smooth curve through all bands is nearer to the truth than lines between the points of a band."""
    rng = np.random.default_rng(0)
    errors = []
    for sample in range(100):
        one = curves.tokens[sample]
        is_hidden = rng.random(one.n_tokens) < 0.3
        truth = curves.truth(sample, one.positions[is_hidden])[:, 0]
        guesses = (_linear(one, is_hidden), _smooth(one, is_hidden))
        errors.append([np.mean((guess - truth) ** 2) for guess in guesses])
    linear, smooth = np.mean(errors, axis=0)
    assert smooth < 0.8 * linear


def _marginals(tokens: TokenSet) -> np.ndarray:
    rows = []
    for one in tokens:
        parts = [one.values[one.positions[:, 1] == band, 0] for band in range(len(BANDS))]
        parts = [part if len(part) > 1 else one.values[:, 0] for part in parts]
        rows.append([f(part) for part in parts for f in (np.mean, np.std, skew, np.ptp)])
    return np.array(rows)


def _band_means(one: TokenSet, is_seen: np.ndarray) -> np.ndarray:
    seen = [one.values[is_seen & (one.positions[:, 1] == band), 0] for band in range(len(BANDS))]
    return np.array([part.mean() if len(part) else one.values[is_seen, 0].mean() for part in seen])


def _linear(one: TokenSet, is_hidden: np.ndarray) -> np.ndarray:
    times, bands = one.positions[:, 0], one.positions[:, 1].astype(int)
    guess = _band_means(one, ~is_hidden)[bands]
    for band in range(len(BANDS)):
        seen, asked = ~is_hidden & (bands == band), is_hidden & (bands == band)
        if seen.any():
            guess[asked] = np.interp(times[asked], times[seen], one.values[seen, 0])
    return guess[is_hidden]


def _smooth(one: TokenSet, is_hidden: np.ndarray, days: float = 8.0) -> np.ndarray:
    """A Gaussian process over time that the bands share but for their means."""
    times, bands = one.positions[:, 0], one.positions[:, 1].astype(int)
    means, seen = _band_means(one, ~is_hidden)[bands], ~is_hidden
    rest = (one.values[:, 0] - means)[seen]
    alike = np.exp(-0.5 * ((times[:, None] - times[seen]) / days) ** 2) * (0.9 + 0.1 * (bands[:, None] == bands[seen]))
    noise = np.diag(one.values[seen, 1] ** 2) / max(rest.var(), 1e-3)
    return means[is_hidden] + alike[is_hidden] @ np.linalg.solve(alike[seen] + noise, rest)
