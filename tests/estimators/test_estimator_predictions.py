"""What the answers of a fitted estimator depend on, and what not."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.model_selection import cross_val_score

import rotary_mae as rm
from tests.estimators.small import COLUMNS, answers, grid, labels_of, light_curves, quick, series

FRESH = light_curves(11, seed=5)


def subset(df, names):
    return df[df["object_id"].isin(names)].reset_index(drop=True)


def test_a_table_shuffled_by_row_gives_the_same_answers(estimator):
    expected = answers(estimator, FRESH)
    # objects come in another order too; sort them back
    shuffled = FRESH.sample(frac=1.0, random_state=3).reset_index(drop=True)
    got = answers(estimator, shuffled)
    if not isinstance(estimator, rm.RoMAEInterpolator):
        order = shuffled["object_id"].drop_duplicates().reset_index(drop=True).argsort()
        got = got[order.to_numpy()]
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_fitting_on_a_shuffled_table_gives_the_same_labels():
    df = light_curves()
    shuffled = df.sample(frac=1.0, random_state=1).reset_index(drop=True)
    clf = rm.RoMAEClassifier(columns=COLUMNS, **quick(epochs=25)).fit(shuffled)
    predicted = pd.Series(clf.predict(df), index=df["object_id"].drop_duplicates())
    assert (predicted == labels_of(df).loc[predicted.index]).all()
    assert clf.score(shuffled) == 1.0


def test_answers_do_not_depend_on_what_else_is_asked(estimator):
    together = answers(estimator, FRESH)
    alone = np.concatenate([answers(estimator, subset(FRESH, [name])) for name in sorted(FRESH["object_id"].unique())])
    np.testing.assert_allclose(alone, together, atol=1e-5)


@pytest.mark.parametrize("change", [{"band": {"g": "r", "r": "g"}}], ids=["renamed"])
def test_bands_in_another_order_mean_the_same(estimator, change):
    # tokens whose channels are named in the other order, as a frame with categories or another reader may give them
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
        expected, got = answers(estimator, tokens), answers(estimator, swapped)
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_a_band_may_be_missing(estimator):
    only_r = FRESH[FRESH["band"] == "r"].reset_index(drop=True)
    assert only_r["object_id"].nunique() == 11
    got = answers(estimator, only_r)
    # the same as objects that happen to have no g among others that do
    others = subset(light_curves(4, seed=9), ["sn000", "sn001"]).assign(object_id=lambda df: "other" + df["object_id"])
    mixed = pd.concat([only_r, others], ignore_index=True)
    expected = answers(estimator, mixed)
    if isinstance(estimator, rm.RoMAEInterpolator):
        kept = ~grid(mixed)["object_id"].str.startswith("other").to_numpy()
        expected = expected[kept]
    np.testing.assert_allclose(got, expected[: len(got)], atol=1e-5)


def test_an_unseen_band_is_a_clear_error(estimator):
    with pytest.raises(
        ValueError, match=r"channels \['y'\] were never seen in training; the model was fitted on \('g', 'r'\)"
    ):
        answers(estimator, FRESH.assign(band=FRESH["band"].replace("r", "y")))


@pytest.mark.parametrize("backend", ["polars", "pyarrow"])
def test_frames_of_any_kind_give_the_same(estimator, backend):
    if isinstance(estimator, rm.RoMAEInterpolator):
        pytest.skip("its frames are tested with its queries")
    frame = pl.from_pandas(FRESH) if backend == "polars" else pl.from_pandas(FRESH).to_arrow()
    np.testing.assert_allclose(answers(estimator, frame), answers(estimator, FRESH), atol=1e-6)


def test_a_common_shift_of_times_changes_nothing(estimator):
    if isinstance(estimator, rm.RoMAEInterpolator):
        pytest.skip("its queries would have to move too")
    later = FRESH.assign(mjd=FRESH["mjd"] + 1000.0)
    np.testing.assert_allclose(answers(estimator, later), answers(estimator, FRESH), atol=1e-4)


def test_labels_need_not_be_there_to_predict(estimator):
    np.testing.assert_allclose(answers(estimator, FRESH.drop(columns="class")), answers(estimator, FRESH), atol=1e-6)


# -- arrays -----------------------------------------------------------------------------------------------


def test_arrays_and_lists_of_them_give_the_same():
    X, y = series()
    clf = rm.RoMAEClassifier(**quick()).fit(X, y)
    expected = clf.predict_proba(X)
    for given in (list(X), X.tolist(), rm.from_arrays(X), X.astype(np.float32)):
        np.testing.assert_allclose(clf.predict_proba(given), expected, atol=1e-5)


def test_masked_arrays_and_arrays_of_arrays_are_what_from_arrays_makes_of_them():
    X, y = series()
    clf = rm.RoMAEClassifier(**quick()).fit(X, y)
    masked = np.ma.masked_array(X, np.arange(X.size).reshape(X.shape) % 9 == 4)
    ragged = np.empty(24, object)
    ragged[:] = [x[:, : 5 + i % 4] for i, x in enumerate(X)]
    for given in (masked, ragged, tuple(ragged)):
        expected = clf.predict_proba(rm.from_arrays(given, layout="steps"))
        np.testing.assert_allclose(clf.predict_proba(given), expected, rtol=1e-6)


def test_a_matrix_is_one_channel_a_row():
    X, y = series(channels=1)
    three = rm.RoMAEClassifier(**quick()).fit(X, y)
    two = rm.RoMAEClassifier(**quick()).fit(X[:, 0], y)
    np.testing.assert_array_equal(two.predict_proba(X[:, 0]), three.predict_proba(X))
    np.testing.assert_allclose(two.predict_proba(list(X[:, 0])), three.predict_proba(X), atol=1e-6)


def test_series_of_other_lengths_are_data_too():
    X, y = series()
    ragged = [x[:, : 4 + i % 5] for i, x in enumerate(X)]
    clf = rm.RoMAEClassifier(**quick()).fit(ragged, y)
    assert clf.predict_proba(X).shape == (24, 2)
    np.testing.assert_allclose(clf.predict_proba(ragged[:1]), clf.predict_proba(ragged)[:1], atol=1e-5)


def test_partly_missing_steps_are_flagged_and_their_number_means_nothing():
    X, y = series()
    X[::3, 1, ::4] = np.nan
    clf = rm.RoMAEClassifier(**quick()).fit(X, y)
    assert clf.scaling_.schema.columns("observed")
    assert np.isfinite(clf.predict_proba(X)).all()
    # complete data is laid out as at fit, and a step without any value is no step
    complete, _ = series(seed=3)
    assert np.isfinite(clf.predict_proba(complete)).all()
    padded = np.concatenate([X, np.full((24, 2, 3), np.nan)], axis=2)
    np.testing.assert_allclose(clf.predict_proba(padded), clf.predict_proba(X), atol=1e-6)


def test_what_steps_lack_that_a_model_without_flags_cannot_see_lies_on_straight_lines():
    X, y = series()
    clf = rm.RoMAEClassifier(**quick()).fit(X, y)
    X[0, 0] = np.arange(9.0)  # straight, so that nothing is lost
    X[1, 1] = clf.scaling_.center[1]
    gaps = X.copy()
    gaps[0, 0, [0, 3, 4]], gaps[1, 1] = np.nan, np.nan
    X[0, 0, 0] = 1.0  # before the first: as that
    with pytest.warns(UserWarning, match="filled by linear interpolation"):
        np.testing.assert_allclose(clf.predict_proba(gaps), clf.predict_proba(X), atol=1e-6)
    interpolator = rm.RoMAEInterpolator(**quick()).fit(series()[0])
    with pytest.raises(ValueError, match="fitted on complete steps"):
        interpolator.anomaly_score(gaps)


def test_a_gap_that_only_one_fold_has_fails_no_fold():
    X, y = series()
    X[3, 0, 5] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.isfinite(cross_val_score(rm.RoMAEClassifier(**quick()), X, y, cv=3)).all()


def test_the_layout_of_fit_stays_whatever_auto_would_choose():
    X, y = series(channels=3)
    # one channel a step
    sparse = np.where(np.arange(9) % 3 == np.arange(3)[:, None], X, np.nan)
    clf = rm.RoMAEClassifier(**quick()).fit(sparse, y)
    assert clf.scaling_.schema.layout == "measurements"
    assert clf.predict_proba(X).shape == (24, 2)
    # and that of init stays for what starts from it
    embedder = rm.RoMAEEmbedder(**quick()).fit(sparse)
    tuned = rm.RoMAEClassifier(init=embedder, **quick()).fit(X, y)
    assert tuned.scaling_.schema == embedder.scaling_.schema


@pytest.mark.parametrize("layout", ["measurements", "steps"])
def test_statics_count(layout):
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
