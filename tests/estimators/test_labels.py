"""Labels and weights, in whatever form they come."""

import numpy as np
import pandas as pd
import pytest

import rotary_mae as rm
from rotary_mae.estimators._fit.split import split_validation
from rotary_mae.estimators.labels import labels_for
from tests.estimators.small import COLUMNS, answers, labels_of, light_curves, quick, series

NO_TARGET = {k: v for k, v in COLUMNS.items() if k != "target"}


def test_labels_by_place_by_id_and_in_the_table_are_the_same():
    df = light_curves()
    by_id = labels_of(df)
    expected = rm.RoMAEClassifier(columns=COLUMNS, **quick()).fit(df).predict_proba(df)
    shuffled = by_id.sample(frac=1.0, random_state=0)
    for y in (by_id.to_numpy(), shuffled, shuffled.to_dict(), list(by_id)):
        clf = rm.RoMAEClassifier(columns=NO_TARGET, **quick()).fit(df, y)
        assert clf.classes_.tolist() == ["falls", "rises"]
        np.testing.assert_array_equal(clf.predict_proba(df), expected)
        assert clf.score(df, y) == clf.score(df, by_id)


def test_a_series_goes_by_place_where_samples_have_no_ids():
    X, y = series()
    source = rm.from_arrays(X)
    # what a split of a table leaves: an index that says nothing of the rows of X
    labels = pd.Series(y, index=np.random.default_rng(0).permutation(24))
    assert labels_for(source, labels, is_keyed=False).tolist() == y.tolist()
    expected = rm.RoMAEClassifier(**quick()).fit(X, y).predict_proba(X)
    for index in (labels.index, np.arange(100, 124)):
        clf = rm.RoMAEClassifier(**quick()).fit(X, pd.Series(y, index=index))
        np.testing.assert_array_equal(clf.predict_proba(X), expected)
        assert clf.score(X, pd.Series(y, index=index)) == clf.score(X, y)


def test_labels_of_rows_are_not_taken_for_labels_of_ids_that_are_numbers():
    df = light_curves().assign(object_id=lambda frame: frame["object_id"].str[2:].astype(int))
    with pytest.raises(ValueError, match=r"a label for each of the \d+ rows, but there are 24 samples"):
        rm.RoMAEClassifier(columns=NO_TARGET, **quick()).fit(df, df["class"])


def test_a_series_may_repeat_an_id_but_not_change_its_mind():
    df = light_curves()
    tokens = rm.from_frame(df, **NO_TARGET)
    every_row = df.set_index("object_id")["class"]
    assert labels_for(tokens, every_row).tolist() == labels_of(df).tolist()
    every_row.iloc[1] = "rises"
    with pytest.raises(ValueError, match="several labels for id 'sn000'"):
        labels_for(tokens, every_row)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ({"sn000": "a"}, "no label for 23 of 24 ids, first 'sn001'"),
        (np.zeros(3), "3 labels for 24 samples"),
        (np.zeros((24, 2, 2)), r"y must be \(24,\) or \(24, k\), got shape \(24, 2, 2\)"),
        (None, "requires y to be passed"),
        (np.zeros(24), "at least two classes, got one class: 0"),
    ],
)
def test_labels_that_do_not_fit_are_a_clear_error(y, message):
    with pytest.raises(ValueError, match=message):
        rm.RoMAEClassifier(columns=NO_TARGET, **quick()).fit(light_curves(), y)


@pytest.mark.parametrize(
    "labels", [["no", "yes"], [0, 1], [False, True], [-7, 12], [1.0, 2.0], [np.str_("b"), np.str_("z")]]
)
def test_classes_come_back_as_they_were(labels, tmp_path):
    X, y = series()
    y = np.asarray(labels)[(y == "rises").astype(int)]
    clf = rm.RoMAEClassifier(**quick(epochs=25)).fit(X, y)
    assert clf.score(X, y) == 1.0
    assert clf.predict(X).dtype == y.dtype
    clf.save(tmp_path / "clf")
    again = rm.load(tmp_path / "clf")
    np.testing.assert_array_equal(again.predict(X), y)
    assert again.classes_.dtype == clf.classes_.dtype


def test_two_classes_have_one_decision_and_three_have_three():
    X, y = series()
    clf = rm.RoMAEClassifier(**quick()).fit(X, y)
    assert clf.decision_function(X).shape == (24,)
    np.testing.assert_array_equal(clf.decision_function(X) > 0, clf.predict(X) == "rises")
    np.testing.assert_array_equal(np.argsort(clf.decision_function(X)), np.argsort(clf.predict_proba(X)[:, 1]))
    three = rm.RoMAEClassifier(**quick()).fit(X, np.arange(24) % 3)
    assert three.decision_function(X).shape == three.predict_proba(X).shape == (24, 3)
    np.testing.assert_allclose(three.predict_proba(X).sum(1), 1.0)


def test_class_weight_moves_the_answers_towards_the_heavy():
    X, y = series()
    X[:] = X[0]  # nothing to tell them apart by
    p = []
    for weight in ({"falls": 1.0, "rises": 9.0}, None, {"falls": 9.0, "rises": 1.0}):
        clf = rm.RoMAEClassifier(class_weight=weight, **quick(epochs=40)).fit(X, y)
        p.append(clf.predict_proba(X)[:, 1].mean())
    assert p[0] > 0.8 > p[1] > 0.2 > p[2]
    balanced = rm.RoMAEClassifier(class_weight="balanced", **quick()).fit(X, y)
    by_hand = rm.RoMAEClassifier(class_weight={"falls": 1.0, "rises": 1.0}, **quick()).fit(X, y)
    np.testing.assert_allclose(balanced.predict_proba(X), by_hand.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("make", [rm.RoMAEClassifier, rm.RoMAERegressor])
def test_sample_weight_counts(make):
    X, _ = series()
    y = np.arange(24) % 2
    wrong = y.copy()
    wrong[:8] = 1 - y[:8]
    weight = np.r_[np.full(8, 1e-6), np.ones(16)]
    fitted = make(**quick(epochs=30)).fit(X, wrong, sample_weight=weight)
    # what weighs next to nothing is not learned, though it is wrong
    assert (np.round(fitted.predict(X)).astype(int) == y).mean() > 0.9
    for bad in (np.ones(3), -np.ones(24)):
        with pytest.raises(ValueError, match="sample_weight must be"):
            make(**quick()).fit(X, y, sample_weight=bad)


def test_groups_stay_on_one_side_of_validation():
    from rotary_mae.estimators._fit.split import split_validation

    groups = np.repeat(np.arange(10), 6)
    for seed in range(5):
        parts = split_validation(60, 0.2, seed, groups=groups)
        assert len(parts.validation)
        assert not set(groups[parts.training]) & set(groups[parts.validation])
        assert sorted(np.r_[parts.training, parts.validation]) == list(range(60))
    assert not len(split_validation(60, 0.2, 0, groups=np.zeros(60)).validation)
    with pytest.raises(ValueError, match="groups must be"):
        split_validation(60, 0.2, 0, groups=groups[:5])


def test_validation_holds_every_class_that_has_samples_enough():
    from rotary_mae.estimators._fit.split import split_validation

    strata = np.repeat([0, 1, 2], [80, 10, 10])
    parts = split_validation(100, 0.1, 0, strata)
    assert np.bincount(strata[parts.validation]).tolist() == [8, 1, 1]
    assert not set(parts.training) & set(parts.validation)


@pytest.mark.parametrize("k", [None, 1, 3])
def test_numbers_come_back_in_their_shape_and_units(k):
    X, names = series()
    sign = np.where(names == "rises", 1.0, -1.0)
    y = 1000.0 + 50.0 * sign if k is None else 1000.0 + 50.0 * sign[:, None] * np.arange(1, k + 1)
    if k == 1:
        with pytest.warns(UserWarning, match="column-vector"):
            reg = rm.RoMAERegressor(**quick(epochs=40)).fit(X, y)
        y = y[:, 0]
    else:
        reg = rm.RoMAERegressor(**quick(epochs=40)).fit(X, y)
    assert reg.predict(X).shape == y.shape
    assert reg.score(X, y) > 0.8


def test_targets_that_are_no_numbers_are_a_clear_error():
    X, y = series()
    with pytest.raises(ValueError, match="train a classifier"):
        rm.RoMAERegressor(**quick()).fit(X, y)
    with pytest.raises(ValueError, match="targets must be finite, 1 of them"):
        rm.RoMAERegressor(**quick()).fit(X, np.r_[np.inf, np.zeros(23)])


def test_what_cannot_be_fitted_is_a_clear_error():
    X, y = series()
    tokens = rm.from_arrays(X)
    for data, given, fit, message in (
        (tokens[[]], {}, {"y": []}, "no samples to fit to"),
        (X, {}, {"y": y, "sample_weight": np.r_[-1.0, np.ones(23)]}, "at least 0, got -1.0 for sample 0"),
        (X, {"unit": "days"}, {"y": y}, "unit must be one of 'auto' or a positive number, .* got 'days'"),
        (
            light_curves(),
            {"columns": {**COLUMNS, "values": "flux"}},
            {},
            "columns has no .values.; it holds .* value",
        ),
        (X, {"init": "no such/folder of mine"}, {"y": y}, "neither a folder here nor a model on the Hub"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            rm.RoMAEClassifier(**quick(**given)).fit(data, **fit)
    with pytest.raises(TypeError, match="init must be a fitted estimator, the folder of a run, a model or None, got 3"):
        rm.RoMAEClassifier(**quick(init=3)).fit(X, y)
    images = rm.from_images(np.zeros((2, 8, 8), np.float32), (4, 4))
    embedder = rm.RoMAEEmbedder(**quick(epochs=1)).fit(images)
    with pytest.raises(ValueError, match=r"patches .* \(1, 4, 4, 1\), got \(1, 2, 2, 1\): cut them alike"):
        embedder.transform(rm.from_images(np.zeros((2, 8, 8), np.float32), (2, 2)))
    with pytest.raises(ValueError, match=r"axes \('row', 'column'\).*: give data of the same kind"):
        embedder.transform(tokens)


def test_a_frame_without_columns_says_where_they_are_named():
    df = light_curves()
    with pytest.raises(ValueError, match=r"no column 'id'; .*columns=dict\(id=.*the columns are object_id, mjd"):
        rm.RoMAEClassifier(**quick()).fit(df)
    interpolator = rm.RoMAEInterpolator(**quick(epochs=1)).fit(rm.from_frame(df, **COLUMNS))
    with pytest.raises(ValueError, match=r"no column 'value'; .*columns=dict\(id="):
        interpolator.impute(df)


def test_a_layout_that_tokens_do_not_have_is_an_error():
    X, y = series()
    tokens = rm.from_arrays(X, targets=y)
    other = "steps" if tokens.schema.layout == "measurements" else "measurements"
    with pytest.raises(ValueError, match=f"these tokens are laid out as '{tokens.schema.layout}'"):
        rm.RoMAEClassifier(layout=other, **quick()).fit(tokens)


def numbered(seed: int = 3) -> tuple[rm.TokenSet, pd.Series]:
    """Series with the ids 0..23 in another order, and labels that follow from them, keyed by id."""
    ids = np.random.default_rng(seed).permutation(24)
    X, _ = series()
    return rm.from_arrays(X, ids=ids), pd.Series(np.arange(24) % 2, index=pd.Index(np.arange(24), name="stay"))


def test_a_series_keyed_by_ids_that_count_goes_by_id_in_any_order_of_the_samples():
    tokens, by_id = numbered()
    expected = (tokens.ids % 2).tolist()
    for y in (
        by_id,
        by_id.to_dict(),
        by_id.sample(frac=1.0, random_state=0),
        pd.Series(by_id.to_numpy(), np.arange(24)),
    ):
        assert labels_for(tokens, y).tolist() == expected
    clf = rm.RoMAEClassifier(**quick()).fit(tokens, by_id)
    assert clf.score(tokens, by_id) == clf.score(tokens, np.array(expected))


def test_a_series_that_may_go_by_id_or_by_place_is_an_error_that_says_how_to_choose():
    tokens, by_id = numbered()
    with pytest.raises(ValueError, match=r"give y.to_dict\(\) if the index holds ids, or y.to_numpy\(\)"):
        labels_for(tokens, pd.Series(by_id.to_numpy()))
    in_order = rm.from_arrays(series()[0])
    assert labels_for(in_order, pd.Series(by_id.to_numpy())).tolist() == by_id.tolist()


@pytest.mark.parametrize("kind", [rm.RoMAEClassifier, rm.RoMAERegressor])
def test_what_weighs_nothing_is_as_if_it_were_not_there(kind):
    X, names = series(40)
    y = names if kind is rm.RoMAEClassifier else X[:, 0, -1] + 0.1 * np.arange(40)
    spoilt, weights = y.astype(object), np.ones(40)
    spoilt[:8], weights[:8] = ("stripes" if kind is rm.RoMAEClassifier else -9999.0), 0.0
    settings = quick(validation_fraction=0.25)
    without = kind(**settings).fit(X[8:], y[8:])
    weightless = kind(**settings).fit(X, spoilt, sample_weight=weights)
    np.testing.assert_array_equal(answers(weightless, X), answers(without, X))
    assert not set(weightless.validation_idx_) & set(range(8))
    if kind is rm.RoMAERegressor:
        np.testing.assert_array_equal(weightless.std_factor_, without.std_factor_)
    with pytest.raises(ValueError, match="the weights of all 40 samples with a label are zero"):
        kind(**settings).fit(X, y, sample_weight=np.zeros(40))


def test_a_light_outlier_hardly_moves_centre_and_scale_of_a_regressor():
    X, _ = series(40)
    y, weights = np.random.default_rng(0).normal(size=40), np.ones(40)
    y[0], weights[0] = 1e4, 1e-9
    reg = rm.RoMAERegressor(**quick()).fit(X, y, sample_weight=weights)
    assert abs(reg.target_mean_[0]) < 1.0
    assert reg.target_scale_[0] < 2.0
    assert reg.std_factor_[0] < 10.0


@pytest.mark.parametrize("seed", range(6))
def test_validation_by_groups_holds_its_share_of_the_samples_not_of_the_groups(seed):
    one_large = np.r_[np.zeros(36), 1, 2, 3, 4]
    parts = split_validation(40, 0.1, seed, groups=one_large)
    assert len(parts.validation) == 4
    sizes = np.random.default_rng(seed).integers(1, 9, 60)
    groups = np.repeat(np.arange(60), sizes)
    parts = split_validation(len(groups), 0.2, seed, groups=groups)
    assert abs(len(parts.validation) - 0.2 * len(groups)) <= 4
    assert not set(groups[parts.training]) & set(groups[parts.validation])
    # of two that are both too large the smaller
    halves = np.repeat([0, 1], [25, 15])
    assert (halves[split_validation(40, 0.1, seed, groups=halves).validation] == 1).all()


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.array([["a", "b"]] * 24), r"one label a sample, \(n,\), got \(24, 2\)"),
        (np.tile([[0, 1, 1], [1, 0, 0]], (12, 1)), r"one label a sample, \(n,\), got \(24, 3\)"),
        (np.arange(24).astype("datetime64[Y]"), "labels must be text, whole numbers or bools, got datetime64"),
    ],
)
def test_labels_that_a_classifier_cannot_learn_are_said_before_training(y, message):
    with pytest.raises(ValueError, match=message):
        rm.RoMAEClassifier(**quick()).fit(series()[0], y)


def test_dates_are_no_numbers_to_regress():
    with pytest.raises(ValueError, match="targets must be numbers, got datetime64"):
        rm.RoMAERegressor(**quick()).fit(series()[0], pd.date_range("2020", periods=24).to_numpy())


def test_every_class_has_a_training_sample() -> None:
    for seed in range(40):
        for strata in (["rare", *["a", "b"] * 11, "a"], [*"abcdefghij" * 2, "k", "l"]):
            parts = split_validation(len(strata), 0.1, seed, np.array(strata))
            assert set(np.array(strata)[parts.training]) == set(strata)
            assert sorted([*parts.training, *parts.validation]) == list(range(len(strata)))
