"""Warnings for other units, time steps and channels, and none for ordinary, thinned or short samples."""

import json
import re
import warnings

import numpy as np
import pytest

import rotary_mae as rm
from rotary_mae.data.sources import Subset
from rotary_mae.estimators.data_shift import DataProfile, describe_shift
from tests.estimators import small
from tests.estimators.small import COLUMNS, light_curves, predictions, quick, series

# single samples that are checked
N_SINGLE = 40


def thinned(tokens, fraction):
    is_kept = np.random.default_rng(0).random(tokens.n_tokens) < fraction
    is_kept[tokens.starts] = True
    return tokens.select_tokens(is_kept | tokens.is_static)


def pieces(tokens, n):
    """n consecutive tokens of each sample, from a random place."""
    rng = np.random.default_rng(1)
    is_kept = np.zeros(tokens.n_tokens, bool)
    for start, length in zip(tokens.starts, tokens.lengths, strict=True):
        first = start + int(rng.integers(0, max(length - n, 0) + 1))
        is_kept[first : min(first + n, start + length)] = True
    return tokens.select_tokens(is_kept)


def scaled_times(tokens, factor):
    positions = tokens.positions.copy()
    positions[:, list(tokens.schema.continuous_axes)] *= factor
    return tokens.replace(positions=positions)


def scaled_values(tokens, factor, shift=0.0):
    values = tokens.values.copy()
    values[:, : tokens.schema.n_predicted] = values[:, : tokens.schema.n_predicted] * factor + shift
    return tokens.replace(values=values)


def check_shifts(tokens, value_changes):
    """Half of the samples is the data of the fit; the other half is new data, as it is and changed."""
    order = np.random.default_rng(0).permutation(len(tokens))
    fitted, held = tokens[order[: len(order) // 2]], tokens[order[len(order) // 2 :]]
    profile = DataProfile.of(fitted)
    profile = DataProfile.from_json(json.loads(json.dumps(profile.to_json())))
    ordinary = [held, thinned(held, 0.5), thinned(held, 0.1), pieces(held, 5)]
    ordinary += [held[i : i + 10] for i in range(0, len(held) - 10, 10)]
    for one in (held[[i]] for i in range(min(N_SINGLE, len(held)))):
        ordinary += [one, thinned(one, 0.3), pieces(one, 5), pieces(one, 20)]
    warned = [text for data in ordinary if (text := describe_shift(profile, data)) is not None]
    assert not warned, warned[:3]
    assert "hours instead of days?" in describe_shift(profile, scaled_times(held, 24.0))
    assert (
        20 < float(re.search(r"times look (\S+) x larger", describe_shift(profile, scaled_times(held, 24.0)))[1]) < 29
    )
    assert "days instead of hours?" in describe_shift(profile, scaled_times(held, 1 / 24.0))
    assert "seconds instead of days?" in describe_shift(profile, scaled_times(held, 86_400.0))
    for change in value_changes:
        assert "another unit?" in describe_shift(profile, scaled_values(held, *change))


def test_shifts_of_simulated_light_curves_are_found():
    check_shifts(rm.simulate_light_curves(400, seed=0), [(1000.0,), (0.001,), (1.8, 32.0)])


@pytest.mark.slow
def test_shifts_of_real_light_curves_are_found(stripe82):
    check_shifts(stripe82, [(1000.0,), (0.05,), (1.0, 30.0)])


@pytest.mark.slow
def test_shifts_of_real_accelerations_are_found(epilepsy):
    check_shifts(epilepsy, [(1000.0,), (0.001,)])


@pytest.fixture
def stripe82():
    from rotary_mae.datasets.stripe82 import load_stripe82

    _require_data()
    return load_stripe82()


@pytest.fixture
def epilepsy():
    from rotary_mae.datasets.uea import load_uea

    _require_data()
    return load_uea("Epilepsy", "train")


def _require_data():
    import os

    if "ROMAE_DATA" not in os.environ:
        pytest.skip("ROMAE_DATA names no folder with the original files")


# -- warnings of estimators -----------------------------------------------------------------------------------------


def test_every_estimator_warns_once_at_the_line_of_the_user_loaded_or_not(estimator, tmp_path):
    df = light_curves(7, seed=5)
    estimator.save(tmp_path / "mine")
    for one in (estimator, rm.load(tmp_path / "mine")):
        with warnings.catch_warnings():
            warnings.simplefilter("error", rm.DataShiftWarning)
            predictions(one, df)
        with pytest.warns(rm.DataShiftWarning) as caught:
            predictions(one, df.assign(mjd=24.0 * df["mjd"]))
        [shift] = [warning for warning in caught if warning.category is rm.DataShiftWarning]
        # ``predictions`` in small.py calls the estimator
        assert shift.filename == small.__file__
        assert "hours instead of days?" in str(shift.message)
        assert "bring the data to the units and columns of the fit" in str(shift.message)


def test_a_channel_that_all_fitted_samples_had_and_no_new_one_has_is_named(fitted):
    df = light_curves(7, seed=5)
    with pytest.warns(rm.DataShiftWarning, match="'r', which 100% of the fitted samples have, is in no new sample"):
        fitted["classifier"].predict(df[df["band"] == "g"])
    with warnings.catch_warnings():
        warnings.simplefilter("error", rm.DataShiftWarning)
        # a single object may lack a band
        fitted["classifier"].predict(df[(df["band"] == "g") & (df["object_id"] == "sn001")])


def test_values_of_another_unit_are_named_by_channel(fitted):
    df = light_curves(7, seed=5)
    is_g = df["band"] == "g"
    with pytest.warns(rm.DataShiftWarning, match=r"values of 'g' lie around .*another unit\?") as caught:
        fitted["regressor"].predict(df.assign(flux=df["flux"].where(~is_g, 1000 * df["flux"])))
    assert "'r'" not in str(caught[0].message)


def test_pixels_of_another_range_are_found():
    images = np.random.default_rng(0).uniform(0, 1, (30, 8, 8, 1))
    embedder = rm.RoMAEEmbedder(**quick(epochs=1)).fit(rm.from_images(images, patch=(4, 4)))
    with pytest.warns(rm.DataShiftWarning, match="values of 'pixels' lie around"):
        embedder.transform(rm.from_images(255 * images[:2], patch=(4, 4)))


def test_fit_and_cross_validation_do_not_warn():
    from sklearn.model_selection import cross_val_score

    X, y = series(60)
    with warnings.catch_warnings():
        warnings.simplefilter("error", rm.DataShiftWarning)
        cross_val_score(rm.RoMAEClassifier(**quick(epochs=1)), X, y, cv=3)


def test_only_some_samples_of_a_large_source_are_read():
    tokens = rm.from_frame(light_curves(), **COLUMNS)
    read = []

    class Reading(Subset):
        def __getitem__(self, index):
            read.append(len(np.atleast_1d(index)))
            return super().__getitem__(index)

    many = Reading(tokens, np.arange(5000) % len(tokens))
    assert describe_shift(DataProfile.of(tokens), many) is None
    assert read == [500]


def test_other_time_steps_of_regular_series_are_found():
    X, _ = series(30, times=40)
    profile = DataProfile.of(rm.from_arrays(X))
    slow = rm.from_arrays(X[:, :, ::20], times=np.arange(0.0, 40.0, 20.0))
    assert describe_shift(profile, rm.from_arrays(X[:, :, ::4], times=np.arange(0.0, 40.0, 4.0))) is None
    assert "the steps in time are 20 x larger" in describe_shift(profile, slow)
    long = rm.from_arrays(np.tile(X, (1, 1, 30)))
    assert "the span in time is 30" in describe_shift(profile, long).replace("30.", "30")


def test_static_covariates_that_are_missing_or_in_another_unit_are_found():
    rng, frame = np.random.default_rng(0), light_curves()
    z = dict(zip(frame["object_id"].unique(), rng.uniform(0.1, 0.9, frame["object_id"].nunique()), strict=True))
    fitted = rm.from_frame(frame.assign(z=frame["object_id"].map(z)), **COLUMNS, static=["z"])
    profile = DataProfile.of(fitted)
    assert describe_shift(profile, fitted) is None
    assert "'static covariate z'" in describe_shift(profile, fitted.select_tokens(~fitted.is_static))
    larger = fitted.values.copy()
    larger[fitted.is_static] *= 1000.0
    assert "values of 'static covariate z' lie around" in describe_shift(profile, fitted.replace(values=larger))
