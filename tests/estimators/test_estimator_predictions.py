"""Properties of the data that predictions of fitted estimators depend on, and those they do not."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.model_selection import cross_val_score

import rotary_mae as rm
from tests.estimators.small import COLUMNS, grid, labels_of, light_curves, predictions, quick, series

FRESH = light_curves(11, seed=5)


def subset(df, names):
    return df[df["object_id"].isin(names)].reset_index(drop=True)


def test_predictions_do_not_depend_on_the_order_of_the_rows(estimator):
    expected = predictions(estimator, FRESH)
    # samples are in the order of their first row: sort them
    shuffled = FRESH.sample(frac=1.0, random_state=3).reset_index(drop=True)
    got = predictions(estimator, shuffled)
    if not isinstance(estimator, rm.RoMAEInterpolator):
        order = shuffled["object_id"].drop_duplicates().reset_index(drop=True).argsort()
        got = got[order.to_numpy()]
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_labels_of_a_shuffled_table_belong_to_their_samples():
    df = light_curves()
    shuffled = df.sample(frac=1.0, random_state=1).reset_index(drop=True)
    clf = rm.RoMAEClassifier(columns=COLUMNS, **quick(epochs=25)).fit(shuffled)
    predicted = pd.Series(clf.predict(df), index=df["object_id"].drop_duplicates())
    assert (predicted == labels_of(df).loc[predicted.index]).all()
    assert clf.score(shuffled) == 1.0


def test_predictions_do_not_depend_on_other_samples(estimator):
    together = predictions(estimator, FRESH)
    alone = np.concatenate(
        [predictions(estimator, subset(FRESH, [name])) for name in sorted(FRESH["object_id"].unique())]
    )
    np.testing.assert_allclose(alone, together, atol=1e-5)


@pytest.mark.parametrize("change", [{"band": {"g": "r", "r": "g"}}], ids=["renamed"])
def test_channels_are_matched_by_name(estimator, change):
    # another reader, or a frame with categories, may list the channels in another order
    tokens = estimator.read(FRESH)
    assert tokens.channels == ("g", "r")
    positions = tokens.positions.copy()
    positions[:, 1] = 1 - positions[:, 1]
    swapped = rm.TokenSet(tokens.values, positions, tokens.lengths, tokens.axes, ("r", "g"), ids=tokens.ids)
    if isinstance(estimator, rm.RoMAEInterpolator):
        expected = estimator.predict(tokens, at=grid(FRESH))["value"]
        got = estimator.predict(swapped, at=grid(FRESH))["value"]
        asked = [np.array([[59_003.0, 0.0]])] * len(tokens), [np.array([[59_003.0, 1.0]])] * len(tokens)
        lists = estimator.predict(tokens, at=asked[0]), estimator.predict(swapped, at=asked[1])
        np.testing.assert_allclose(np.concatenate(lists[0]), np.concatenate(lists[1]), atol=1e-5)
    else:
        expected, got = predictions(estimator, tokens), predictions(estimator, swapped)
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_a_channel_may_be_missing(estimator):
    only_r = FRESH[FRESH["band"] == "r"].reset_index(drop=True)
    assert only_r["object_id"].nunique() == 11
    got = predictions(estimator, only_r)
    # the same as for objects without g among others that have it
    others = subset(light_curves(4, seed=9), ["sn000", "sn001"]).assign(object_id=lambda df: "other" + df["object_id"])
    mixed = pd.concat([only_r, others], ignore_index=True)
    expected = predictions(estimator, mixed)
    if isinstance(estimator, rm.RoMAEInterpolator):
        kept = ~grid(mixed)["object_id"].str.startswith("other").to_numpy()
        expected = expected[kept]
    np.testing.assert_allclose(got, expected[: len(got)], atol=1e-5)


def test_an_unknown_channel_is_a_clear_error(estimator):
    with pytest.raises(
        ValueError, match=r"channels \['y'\] were never seen in training; the model was fitted on \('g', 'r'\)"
    ):
        predictions(estimator, FRESH.assign(band=FRESH["band"].replace("r", "y")))


@pytest.mark.parametrize("backend", ["polars", "pyarrow"])
def test_frames_of_any_library_give_the_same_predictions(estimator, backend):
    if isinstance(estimator, rm.RoMAEInterpolator):
        pytest.skip("its frames are tested with its queries")
    frame = pl.from_pandas(FRESH) if backend == "polars" else pl.from_pandas(FRESH).to_arrow()
    np.testing.assert_allclose(predictions(estimator, frame), predictions(estimator, FRESH), atol=1e-6)


def test_predictions_do_not_depend_on_a_common_shift_of_times(estimator):
    if isinstance(estimator, rm.RoMAEInterpolator):
        pytest.skip("its queries would have to move too")
    later = FRESH.assign(mjd=FRESH["mjd"] + 1000.0)
    np.testing.assert_allclose(predictions(estimator, later), predictions(estimator, FRESH), atol=1e-4)


def test_data_to_predict_need_no_labels(estimator):
    np.testing.assert_allclose(
        predictions(estimator, FRESH.drop(columns="class")), predictions(estimator, FRESH), atol=1e-6
    )


# -- arrays -----------------------------------------------------------------------------------------------


def test_arrays_and_lists_of_arrays_give_the_same_predictions():
    X, y = series()
    clf = rm.RoMAEClassifier(**quick()).fit(X, y)
    expected = clf.predict_proba(X)
    for given in (list(X), X.tolist(), rm.from_arrays(X), X.astype(np.float32)):
        np.testing.assert_allclose(clf.predict_proba(given), expected, atol=1e-5)


def test_masked_arrays_and_arrays_of_arrays_are_read_by_from_arrays():
    X, y = series()
    clf = rm.RoMAEClassifier(**quick()).fit(X, y)
    masked = np.ma.masked_array(X, np.arange(X.size).reshape(X.shape) % 9 == 4)
    ragged = np.empty(24, object)
    ragged[:] = [x[:, : 5 + i % 4] for i, x in enumerate(X)]
    for given in (masked, ragged, tuple(ragged)):
        expected = clf.predict_proba(rm.from_arrays(given, layout="steps"))
        np.testing.assert_allclose(clf.predict_proba(given), expected, rtol=1e-6)


def test_a_row_of_a_matrix_is_a_series_of_one_channel():
    X, y = series(channels=1)
    three = rm.RoMAEClassifier(**quick()).fit(X, y)
    two = rm.RoMAEClassifier(**quick()).fit(X[:, 0], y)
    np.testing.assert_array_equal(two.predict_proba(X[:, 0]), three.predict_proba(X))
    np.testing.assert_allclose(two.predict_proba(list(X[:, 0])), three.predict_proba(X), atol=1e-6)


def test_series_may_have_different_lengths():
    X, y = series()
    ragged = [x[:, : 4 + i % 5] for i, x in enumerate(X)]
    clf = rm.RoMAEClassifier(**quick()).fit(ragged, y)
    assert clf.predict_proba(X).shape == (24, 2)
    np.testing.assert_allclose(clf.predict_proba(ragged[:1]), clf.predict_proba(ragged)[:1], atol=1e-5)


def test_missing_values_of_steps_are_flagged_and_empty_steps_ignored():
    X, y = series()
    X[::3, 1, ::4] = np.nan
    clf = rm.RoMAEClassifier(**quick()).fit(X, y)
    assert clf.scaling_.schema.columns("observed")
    assert np.isfinite(clf.predict_proba(X)).all()
    # complete data have the layout of the fit, and a step without any value is left out
    complete, _ = series(seed=3)
    assert np.isfinite(clf.predict_proba(complete)).all()
    padded = np.concatenate([X, np.full((24, 2, 3), np.nan)], axis=2)
    np.testing.assert_allclose(clf.predict_proba(padded), clf.predict_proba(X), atol=1e-6)


def test_gaps_of_steps_are_interpolated_for_a_model_without_observed_flags():
    X, y = series()
    clf = rm.RoMAEClassifier(**quick()).fit(X, y)
    X[0, 0] = np.arange(9.0)  # linear in time, so that interpolation restores it
    X[1, 1] = clf.scaling_.center[1]
    gaps = X.copy()
    gaps[0, 0, [0, 3, 4]], gaps[1, 1] = np.nan, np.nan
    X[0, 0, 0] = 1.0  # before the first observation its value is used
    with pytest.warns(UserWarning, match="filled by linear interpolation"):
        np.testing.assert_allclose(clf.predict_proba(gaps), clf.predict_proba(X), atol=1e-6)
    interpolator = rm.RoMAEInterpolator(layout="steps", **quick()).fit(series()[0])
    with pytest.raises(ValueError, match="fitted on complete steps"):
        interpolator.anomaly_score(gaps)


def test_cross_validation_works_with_a_gap_in_a_single_fold():
    X, y = series()
    X[3, 0, 5] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.isfinite(cross_val_score(rm.RoMAEClassifier(**quick()), X, y, cv=3)).all()


def test_the_layout_of_the_fit_is_kept():
    X, y = series(channels=3)
    # one channel at each step
    sparse = np.where(np.arange(9) % 3 == np.arange(3)[:, None], X, np.nan)
    clf = rm.RoMAEClassifier(**quick()).fit(sparse, y)
    assert clf.scaling_.schema.layout == "measurements"
    assert clf.predict_proba(X).shape == (24, 2)
    # and so is the layout of init
    embedder = rm.RoMAEEmbedder(**quick()).fit(sparse)
    tuned = rm.RoMAEClassifier(init=embedder, **quick()).fit(X, y)
    assert tuned.scaling_.schema == embedder.scaling_.schema


@pytest.mark.parametrize("layout", ["measurements", "steps"])
def test_predictions_depend_on_static_covariates(layout):
    df = light_curves()
    wide = df.pivot_table(index=["object_id", "mjd", "z", "class"], columns="band", values="flux").reset_index()
    columns = {"id": "object_id", "time": "mjd", "value": ["g", "r"], "static": ["z"], "target": "class"}
    clf = rm.RoMAEClassifier(columns=columns, layout=layout, **quick(epochs=15)).fit(wide)
    assert clf.scaling_.schema.statics == ("z",)
    assert not np.allclose(clf.predict_proba(wide), clf.predict_proba(wide.assign(z=5.0)))
    swapped = {**columns, "value": ["r", "g"]}
    expected = clf.predict_proba(wide)
    clf.set_params(columns=swapped)
    np.testing.assert_allclose(clf.predict_proba(wide), expected, atol=1e-5)


def test_embeddings_are_one_vector_a_sample(fitted):
    Z = fitted["embedder"].transform(FRESH)
    assert Z.shape == (11, 16)
    assert Z.dtype == np.float32
    assert np.isfinite(Z).all()
    assert np.linalg.matrix_rank(Z) > 1
