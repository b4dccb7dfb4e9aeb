"""Intervals of a fitted interpolator: the data they are calibrated on, their meaning, and their coverage."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import rotary_mae as rm
from tests.estimators.small import COLUMNS, grid, light_curves, quick, series


def mask_half(tokens: rm.TokenSet, **how: Any) -> tuple[rm.TokenSet, rm.TokenSet, list[np.ndarray]]:
    """Visible tokens, masked tokens, and the positions of the masked tokens as queries."""
    is_hidden = rm.TokenBatch.collate(tokens.with_targets(None)).hide(0.5, seed=9, **how).is_hidden
    assert is_hidden is not None
    held = tokens.select_tokens(is_hidden.numpy())
    return tokens.select_tokens(~is_hidden.numpy()), held, np.split(held.positions, np.cumsum(held.lengths)[:-1])


@pytest.mark.parametrize(
    ("n", "settings", "held_out", "n_series"),
    [
        (60, {}, "series", 15),
        (24, {}, "series", 6),
        (12, {}, "values", 11),
        (24, {"validation_fraction": 0.0}, "nothing", 24),
        (24, {"hiding": "future"}, "series", 6),
        (24, {"hiding": "channel"}, "series", 6),
    ],
)
def test_the_origin_of_the_calibration_is_recorded(n: int, settings: Any, held_out: str, n_series: int) -> None:
    itp = rm.RoMAEInterpolator(columns=COLUMNS, **quick(epochs=1, **settings)).fit(light_curves(n))
    assert itp.calibration_.held_out == held_out
    assert 0 < max(itp.calibration_.n_series) <= n_series
    low, high = (
        itp.predict(light_curves(3), at=grid(light_curves(3)), quantiles=[0.05, 0.95])[["q05", "q95"]].to_numpy().T
    )
    assert (low < high).all()


def test_withheld_values_of_a_small_set_are_not_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from rotary_mae.estimators._fit import ensemble as lesson

    tokens, seen = rm.from_frame(light_curves(12), **COLUMNS), []
    train = lesson.train
    monkeypatch.setattr(lesson, "train", lambda *a, **k: (seen.append(a[1][:].n_tokens), train(*a, **k))[1])
    rm.RoMAEInterpolator(**quick(epochs=1)).fit(tokens)
    assert seen == [tokens.n_tokens - sum(-(-n // 7) for n in tokens.lengths.tolist())]


def test_a_single_series_of_two_values_can_be_fitted_and_predicted() -> None:
    tokens = rm.TokenSet([1.0, 2.0], [0.0, 1.0], [2], channels=("a",))
    itp = rm.RoMAEInterpolator(**quick(epochs=1)).fit(tokens)
    with pytest.warns(UserWarning, match="not calibrated"):
        low, high = itp.predict(tokens, at=[[0.5]], quantiles=[0.1, 0.9])
    assert low[0][0, 0] < high[0][0, 0]


def test_the_std_of_a_measurement_includes_its_error() -> None:
    tokens = rm.simulate_light_curves(24, seed=3)
    itp = rm.RoMAEInterpolator(**quick()).fit(tokens)
    # groups of queries have factors of their own
    itp.calibration_ = replace(itp.calibration_, knots=(), group_table=())
    at = [[[sample.positions[:, 0].mean(), 1]] for sample in tokens]
    of_measurement = np.concatenate(itp.predict(tokens, at=at, return_std=True)[1])[:, 0]
    of_value = np.concatenate(itp.predict(tokens, at=at, return_std=True, of="value")[1])[:, 0]
    added = np.sqrt(of_measurement**2 - of_value**2)
    errors = [np.sort(sample.values[sample.positions[:, 1] == 1, 1]) for sample in tokens]
    lower_median = np.array([e[(len(e) - 1) // 2] for e in errors])
    # calibration scales all standard deviations of a channel by one factor
    np.testing.assert_allclose(added / lower_median, added[0] / lower_median[0], rtol=1e-4)
    with pytest.raises(ValueError, match="'measurement' or 'value'"):
        itp.predict(tokens, at=at, of="noise")


def test_each_channel_of_steps_is_calibrated_separately() -> None:
    X, _ = series(40)
    X[:, 1] = X[:, 1] + np.random.default_rng(0).standard_t(2, X[:, 1].shape)
    X[::3, 0, 2:5] = np.nan
    itp = rm.RoMAEInterpolator(**quick()).fit(rm.from_arrays(X, channels=("a", "b"), layout="steps"))
    assert itp.calibration_.n_values[0] < itp.calibration_.n_values[1]
    low, high = itp.predict(
        rm.from_arrays(X[:2], channels=("a", "b"), layout="steps"), at=[[1.5]] * 2, quantiles=[0.1, 0.9]
    )
    assert low[0].shape == (1, 2)
    assert (low[0] < high[0]).all()


def test_a_resumed_run_has_the_same_calibration(tmp_path: Any) -> None:
    from tests.training.runs import WatchedSource, request_shutdown

    tokens = rm.from_frame(light_curves(24), **COLUMNS)
    settings = quick(epochs=4, batch_size=5)
    whole = rm.RoMAEInterpolator(**settings).fit(tokens)
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        rm.RoMAEInterpolator(out=out, **settings).fit(WatchedSource(tokens, 8, request_shutdown))
    assert not rm.load(out).calibration_.is_fitted
    rm.RoMAEInterpolator(out=out, resume=True, **settings).fit(tokens)
    assert rm.load(out).calibration_ == whole.calibration_


@pytest.mark.slow
@pytest.mark.parametrize("n", [60, 200])
def test_intervals_cover_measurements_of_new_series(n: int) -> None:
    settings = {"epochs": 20, "learning_rate": 3e-3, "model": {"width": 24, "heads": 2, "depth": 2}}
    itp = rm.RoMAEInterpolator(**{**quick(), **settings}).fit(rm.simulate_light_curves(n, seed=4))
    seen, held, at = mask_half(rm.simulate_light_curves(100, seed=5))
    values = held.values[:, 0]
    # 10 and 20 series were held out, each of them covered nearly as a whole or not
    for share in (0.5, 0.8, 0.9):
        low, high = (
            np.concatenate(q)[:, 0] for q in itp.predict(seen, at, quantiles=[0.5 - share / 2, 0.5 + share / 2])
        )
        assert np.mean((low <= values) & (values <= high)) == pytest.approx(share, abs=0.2)
