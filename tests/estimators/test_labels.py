"""Labels and sample weights: accepted types, order of the samples, and errors."""

import numpy as np
import pandas as pd
import pytest

import rotary_mae as rm
from rotary_mae.estimators.labels import labels_for
from tests.estimators.small import COLUMNS, labels_of, light_curves, predictions, quick, series

NO_TARGET = {k: v for k, v in COLUMNS.items() if k != "target"}


def test_labels_by_position_by_id_and_in_the_table_are_equal():
    df = light_curves()
    by_id = labels_of(df)
    expected = rm.RoMAEClassifier(columns=COLUMNS, **quick()).fit(df).predict_proba(df)
    shuffled = by_id.sample(frac=1.0, random_state=0)
    for y in (by_id.to_numpy(), shuffled, shuffled.to_dict(), list(by_id)):
        clf = rm.RoMAEClassifier(columns=NO_TARGET, **quick()).fit(df, y)
        assert clf.classes_.tolist() == ["falls", "rises"]
        np.testing.assert_array_equal(clf.predict_proba(df), expected)
        assert clf.score(df, y) == clf.score(df, by_id)


def test_a_pandas_series_is_matched_by_position_if_samples_have_no_ids():
    X, y = series()
    source = rm.from_arrays(X)
    # after a random split of a table, the index does not match the rows of X
    labels = pd.Series(y, index=np.random.default_rng(0).permutation(24))
    assert labels_for(source, labels, is_keyed=False).tolist() == y.tolist()
    expected = rm.RoMAEClassifier(**quick()).fit(X, y).predict_proba(X)
    for index in (labels.index, np.arange(100, 124)):
        clf = rm.RoMAEClassifier(**quick()).fit(X, pd.Series(y, index=index))
        np.testing.assert_array_equal(clf.predict_proba(X), expected)
        assert clf.score(X, pd.Series(y, index=index)) == clf.score(X, y)


def test_one_label_per_row_is_an_error_if_ids_are_numbers():
    df = light_curves().assign(object_id=lambda frame: frame["object_id"].str[2:].astype(int))
    with pytest.raises(ValueError, match=r"a label for each of the \d+ rows, but there are 24 samples"):
        rm.RoMAEClassifier(columns=NO_TARGET, **quick()).fit(df, df["class"])


def test_a_repeated_id_is_an_error_only_if_its_labels_differ():
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
def test_labels_of_the_wrong_number_or_shape_are_an_error(y, message):
    with pytest.raises(ValueError, match=message):
        rm.RoMAEClassifier(columns=NO_TARGET, **quick()).fit(light_curves(), y)


@pytest.mark.parametrize(
    "labels", [["no", "yes"], [0, 1], [False, True], [-7, 12], [1.0, 2.0], [np.str_("b"), np.str_("z")]]
)
def test_predicted_classes_have_the_type_of_the_labels(labels, tmp_path):
    X, y = series()
    y = np.asarray(labels)[(y == "rises").astype(int)]
    clf = rm.RoMAEClassifier(**quick(epochs=25)).fit(X, y)
    assert clf.score(X, y) == 1.0
    assert clf.predict(X).dtype == y.dtype
    clf.save(tmp_path / "clf")
    again = rm.load(tmp_path / "clf")
    np.testing.assert_array_equal(again.predict(X), y)
    assert again.classes_.dtype == clf.classes_.dtype


def test_the_decision_function_has_one_column_for_two_classes():
    X, y = series()
    clf = rm.RoMAEClassifier(**quick()).fit(X, y)
    assert clf.decision_function(X).shape == (24,)
    np.testing.assert_array_equal(clf.decision_function(X) > 0, clf.predict(X) == "rises")
    np.testing.assert_array_equal(np.argsort(clf.decision_function(X)), np.argsort(clf.predict_proba(X)[:, 1]))
    three = rm.RoMAEClassifier(**quick()).fit(X, np.arange(24) % 3)
    assert three.decision_function(X).shape == three.predict_proba(X).shape == (24, 3)
    np.testing.assert_allclose(three.predict_proba(X).sum(1), 1.0)


def test_a_larger_class_weight_increases_the_predicted_probability():
    X, y = series()
    X[:] = X[0]  # the series of both classes are equal
    p = []
    for weight in ({"falls": 1.0, "rises": 9.0}, None, {"falls": 9.0, "rises": 1.0}):
        clf = rm.RoMAEClassifier(class_weight=weight, **quick(epochs=40)).fit(X, y)
        p.append(clf.predict_proba(X)[:, 1].mean())
    assert p[0] > 0.8 > p[1] > 0.2 > p[2]
    balanced = rm.RoMAEClassifier(class_weight="balanced", **quick()).fit(X, y)
    by_hand = rm.RoMAEClassifier(class_weight={"falls": 1.0, "rises": 1.0}, **quick()).fit(X, y)
    np.testing.assert_allclose(balanced.predict_proba(X), by_hand.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("make", [rm.RoMAEClassifier, rm.RoMAERegressor])
def test_wrong_labels_of_small_weight_do_not_change_predictions(make):
    X, _ = series()
    y = np.arange(24) % 2
    wrong = y.copy()
    wrong[:8] = 1 - y[:8]
    weight = np.r_[np.full(8, 1e-6), np.ones(16)]
    fitted = make(**quick(epochs=30)).fit(X, wrong, sample_weight=weight)
    # predictions follow the correct labels
    assert (np.round(fitted.predict(X)).astype(int) == y).mean() > 0.9
    for bad in (np.ones(3), -np.ones(24)):
        with pytest.raises(ValueError, match="sample_weight must be"):
            make(**quick()).fit(X, y, sample_weight=bad)


@pytest.mark.parametrize("k", [None, 1, 3])
def test_predicted_numbers_have_the_shape_and_units_of_the_targets(k):
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


def test_targets_that_are_not_finite_numbers_are_an_error():
    X, y = series()
    with pytest.raises(ValueError, match="train a classifier"):
        rm.RoMAERegressor(**quick()).fit(X, y)
    with pytest.raises(ValueError, match="targets must be finite, 1 of them"):
        rm.RoMAERegressor(**quick()).fit(X, np.r_[np.inf, np.zeros(23)])


def numbered(seed: int = 3) -> tuple[rm.TokenSet, pd.Series]:
    """Series with the ids 0..23 in another order, and labels that depend on the id, keyed by id."""
    ids = np.random.default_rng(seed).permutation(24)
    X, _ = series()
    return rm.from_arrays(X, ids=ids), pd.Series(np.arange(24) % 2, index=pd.Index(np.arange(24), name="stay"))


def test_a_pandas_series_indexed_by_numeric_ids_is_matched_by_id():
    tokens, by_id = numbered()
    expected = (tokens.ids % 2).tolist()
    for y in (by_id, by_id.to_dict(), by_id.sample(frac=1.0, random_state=0)):
        assert labels_for(tokens, y).tolist() == expected
    clf = rm.RoMAEClassifier(**quick()).fit(tokens, by_id)
    assert clf.score(tokens, by_id) == clf.score(tokens, np.array(expected))


def test_an_ambiguous_index_is_an_error_that_suggests_to_dict_or_to_numpy():
    tokens, by_id = numbered()
    with pytest.raises(ValueError, match=r"give y.to_dict\(\) if the index holds ids, or y.to_numpy\(\)"):
        labels_for(tokens, pd.Series(by_id.to_numpy()))
    # numbers without a name may be ids, and may be left of row numbers after a selection
    with pytest.raises(ValueError, match="the index of y may mean either"):
        labels_for(tokens, pd.Series(by_id.to_numpy(), np.arange(24)))
    in_order = rm.from_arrays(series()[0])
    assert labels_for(in_order, pd.Series(by_id.to_numpy())).tolist() == by_id.tolist()


def by_name() -> tuple[rm.TokenSet, pd.Series]:
    """Series whose ids are not in the order of their names, and labels keyed by name."""
    ids = [f"s{i:02d}" for i in range(23, -1, -1)]
    return rm.from_arrays(series()[0], ids=ids), pd.Series(["a"] * 8 + ["b"] * 8 + ["c"] * 8, index=sorted(ids))


def test_weights_and_groups_are_read_by_id_like_labels():
    tokens, y = by_name()
    weight = (y != "c").astype(float)
    groups = pd.Series(np.arange(24) % 4, index=y.index)
    settings = quick(validation_fraction=0.25)
    expected = rm.RoMAEClassifier(**settings).fit(
        tokens, y, sample_weight=weight[tokens.ids].tolist(), groups=groups[tokens.ids].tolist()
    )
    assert expected.classes_.tolist() == ["a", "b"]
    for of in (lambda s: s, lambda s: s.to_dict(), lambda s: s.sample(frac=1.0, random_state=1)):
        clf = rm.RoMAEClassifier(**settings).fit(tokens, y, sample_weight=of(weight), groups=of(groups))
        assert clf.classes_.tolist() == ["a", "b"]
        np.testing.assert_array_equal(clf.validation_idx_, expected.validation_idx_)
        assert clf.score(tokens, y, sample_weight=of(weight)) == clf.score(tokens[8:], y[:16])
        assert rm.evaluate(clf, tokens[8:], of(y[:16])) == rm.evaluate(clf, tokens[8:], y[:16])
    for make in (rm.RoMAEEmbedder, rm.RoMAEInterpolator):
        by_id = make(**settings).fit(tokens, groups=groups)
        in_order = make(**settings).fit(tokens, groups=groups[tokens.ids].to_numpy())
        np.testing.assert_array_equal(by_id.validation_idx_, in_order.validation_idx_)


@pytest.mark.parametrize("make", [rm.RoMAEClassifier, rm.RoMAERegressor, rm.RoMAEEmbedder, rm.RoMAEInterpolator])
@pytest.mark.parametrize("name", ["y", "sample_weight", "groups"])
def test_what_may_be_ids_or_rows_is_an_error_everywhere(make, name):
    X, _ = series()
    tokens = rm.from_arrays(X, ids=np.arange(24) ^ 1)[12:]
    is_supervised = make in (rm.RoMAEClassifier, rm.RoMAERegressor)
    if name != "groups" and not is_supervised:
        return
    values = {"y": np.arange(12) % 2} if is_supervised else {}
    values[name] = pd.Series(np.arange(24) % 2)[12:]
    with pytest.raises(ValueError, match=rf"the index of {name} may mean either"):
        make(**quick()).fit(tokens, **values)


def test_masked_labels_are_missing_and_masked_weights_and_groups_are_errors():
    X, _ = series()
    y = np.ma.array([0.0, 1.0, 999.0] * 8, mask=[0, 0, 1] * 8)
    reg = rm.RoMAERegressor(**quick()).fit(X, y)
    np.testing.assert_allclose(reg.target_mean_, 0.5)
    assert reg.score(X, y) == reg.score(X[~y.mask], y.data[~y.mask])
    clf = rm.RoMAEClassifier(**quick()).fit(X, y.astype(int))
    assert clf.classes_.tolist() == [0, 1]
    assert rm.evaluate(clf, X, y.astype(int)) == rm.evaluate(clf, X[~y.mask], y.data[~y.mask].astype(int))
    with pytest.raises(ValueError, match="sample_weight must be finite and at least 0, got nan for sample 2"):
        rm.RoMAERegressor(**quick()).fit(X, y, sample_weight=y)
    with pytest.raises(ValueError, match="groups are missing for 8 samples, the first of them sample 2"):
        rm.RoMAERegressor(**quick()).fit(X, y, groups=y)


def test_weights_of_rows_are_not_confused_with_weights_of_numeric_ids():
    df = light_curves().assign(object_id=lambda frame: frame["object_id"].str[2:].astype(int))
    with pytest.raises(ValueError, match=r"sample_weight has a value for each of the \d+ rows, but there are 24"):
        rm.RoMAEClassifier(columns=COLUMNS, **quick()).fit(df, sample_weight=df["flux"].abs())


def test_cross_validation_splits_series_of_labels_with_their_samples():
    from sklearn.model_selection import KFold, cross_val_score

    tokens, _ = by_name()
    y = pd.Series(series()[1])
    for shuffle in (False, True):
        folds = KFold(3, shuffle=shuffle, random_state=0 if shuffle else None)
        expected = cross_val_score(rm.RoMAEClassifier(**quick()), tokens, y.to_numpy(), cv=folds)
        np.testing.assert_array_equal(cross_val_score(rm.RoMAEClassifier(**quick()), tokens, y, cv=folds), expected)


@pytest.mark.parametrize("kind", [rm.RoMAEClassifier, rm.RoMAERegressor])
def test_samples_of_weight_zero_have_no_effect(kind):
    X, names = series(40)
    y = names if kind is rm.RoMAEClassifier else X[:, 0, -1] + 0.1 * np.arange(40)
    wrong, weights = y.astype(object), np.ones(40)
    wrong[:8], weights[:8] = ("stripes" if kind is rm.RoMAEClassifier else -9999.0), 0.0
    settings = quick(validation_fraction=0.25)
    without = kind(**settings).fit(X[8:], y[8:])
    weightless = kind(**settings).fit(X, wrong, sample_weight=weights)
    np.testing.assert_array_equal(predictions(weightless, X), predictions(without, X))
    assert not set(weightless.validation_idx_) & set(range(8))
    if kind is rm.RoMAERegressor:
        np.testing.assert_array_equal(weightless.std_factor_, without.std_factor_)
    with pytest.raises(ValueError, match="the weights of all 40 samples with a label are zero"):
        kind(**settings).fit(X, y, sample_weight=np.zeros(40))


def test_an_outlier_of_small_weight_does_not_change_the_scaling_of_targets():
    X, _ = series(40)
    y, weights = np.random.default_rng(0).normal(size=40), np.ones(40)
    y[0], weights[0] = 1e4, 1e-9
    reg = rm.RoMAERegressor(**quick()).fit(X, y, sample_weight=weights)
    assert abs(reg.target_mean_[0]) < 1.0
    assert reg.target_scale_[0] < 2.0
    assert reg.std_factor_[0] < 10.0


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.array([["a", "b"]] * 24), r"one label a sample, \(n,\), got \(24, 2\)"),
        (np.tile([[0, 1, 1], [1, 0, 0]], (12, 1)), r"one label a sample, \(n,\), got \(24, 3\)"),
        (np.arange(24).astype("datetime64[Y]"), "labels must be text, whole numbers or bools, got datetime64"),
    ],
)
def test_labels_that_a_classifier_does_not_support_are_an_error(y, message):
    with pytest.raises(ValueError, match=message):
        rm.RoMAEClassifier(**quick()).fit(series()[0], y)


def test_dates_as_targets_are_an_error():
    with pytest.raises(ValueError, match="targets must be numbers, got datetime64"):
        rm.RoMAERegressor(**quick()).fit(series()[0], pd.date_range("2020", periods=24).to_numpy())
