"""Missing labels: pre-training uses all samples, fine-tuning the labelled ones."""

import json

import numpy as np
import pandas as pd
import pytest

import rotary_mae as rm
from tests.estimators.small import COLUMNS, labels_of, light_curves, quick, series

NO_TARGET = {k: v for k, v in COLUMNS.items() if k != "target"}
MISSING = {"none": None, "nan": np.nan, "pandas": pd.NA, "not a time": pd.NaT}


@pytest.mark.parametrize("missing", MISSING.values(), ids=MISSING.keys())
def test_missing_labels_are_no_class_and_start_a_pre_training(missing):
    X, y = series()
    partly = np.where(np.arange(24) < 12, y.astype(object), missing)
    clf = rm.RoMAEClassifier(**quick()).fit(X, partly)
    assert clf.classes_.tolist() == ["falls", "rises"]
    assert clf.classes_.dtype.kind == "U"
    assert "encoder.projection.weight" in clf.transfer_.copied
    assert clf.predict(X).shape == (24,)


def test_the_fit_equals_pre_training_and_fine_tuning_by_hand():
    X, y = series()
    tokens = rm.from_arrays(X)
    partly = [label if i % 3 else None for i, label in enumerate(y.tolist())]
    at_once = rm.RoMAEClassifier(**quick()).fit(tokens, partly)
    labelled = np.flatnonzero(np.arange(24) % 3)
    embedder = rm.RoMAEEmbedder(**quick()).fit(tokens)
    by_hand = rm.RoMAEClassifier(init=embedder, **quick()).fit(tokens[labelled], y[labelled])
    np.testing.assert_array_equal(at_once.predict_proba(X), by_hand.predict_proba(X))


def test_with_init_samples_without_a_label_are_left_out():
    X, y = series()
    tokens = rm.from_arrays(X)
    embedder = rm.RoMAEEmbedder(**quick()).fit(tokens)
    partly = pd.Series(y).where(np.arange(24) < 20)
    one = rm.RoMAEClassifier(init=embedder, **quick()).fit(tokens, partly)
    other = rm.RoMAEClassifier(init=embedder, **quick()).fit(tokens[:20], y[:20])
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))


@pytest.mark.parametrize("dtype", ["Int64", object])
def test_minus_one_is_a_class_and_classes_stay_integers(dtype):
    X, y = series()
    numbers = pd.Series(np.where(y == "rises", 1, -1), dtype=dtype)
    numbers[:4] = pd.NA
    clf = rm.RoMAEClassifier(**quick()).fit(X, numbers)
    assert clf.classes_.tolist() == [-1, 1]
    assert clf.classes_.dtype.kind == "i"


def test_missing_labels_by_id_and_in_the_table_are_equal():
    df = light_curves()
    labels = labels_of(df)
    labels.iloc[:6] = None
    by_id = rm.RoMAEClassifier(columns=NO_TARGET, **quick()).fit(df, labels)
    shuffled = labels.sample(frac=1.0, random_state=0)
    for y in (shuffled, shuffled.to_dict()):
        again = rm.RoMAEClassifier(columns=NO_TARGET, **quick()).fit(df, y)
        np.testing.assert_array_equal(again.predict_proba(df), by_id.predict_proba(df))
    in_table = df.assign(**{"class": df["class"].where(~df["object_id"].isin(labels.index[:6]), None)})
    again = rm.RoMAEClassifier(columns=COLUMNS, **quick()).fit(in_table)
    np.testing.assert_array_equal(again.predict_proba(df), by_id.predict_proba(df))


def test_a_missing_id_is_an_error():
    df = light_curves()
    labels = labels_of(df).iloc[1:]
    with pytest.raises(ValueError, match=r"no label for 1 of 24 ids, first 'sn000'.*give None for samples without"):
        rm.RoMAEClassifier(columns=NO_TARGET, **quick()).fit(df, labels)


@pytest.mark.parametrize("kind", [rm.RoMAEClassifier, rm.RoMAERegressor])
def test_no_labels_at_all_are_a_clear_error(kind):
    X, _ = series()
    for nothing in (np.full(24, np.nan), [None] * 24):
        with pytest.raises(ValueError, match="all 24 labels are missing; label some samples, or use RoMAEEmbedder"):
            kind(**quick()).fit(X, nothing)


def test_numbers_may_be_missing_but_only_whole_rows():
    X, names = series()
    y = np.where(names == "rises", 1.0, -1.0)[:, None] * np.array([10.0, 20.0])
    y[:5] = np.nan
    weight = np.arange(24.0)
    reg = rm.RoMAERegressor(**quick()).fit(X, y, sample_weight=weight, groups=np.arange(24) // 2)
    assert reg.predict(X).shape == (24, 2)
    np.testing.assert_allclose(reg.target_mean_, y[5:].mean(0))
    y[7, 1] = np.nan
    with pytest.raises(ValueError, match="1 samples have some of their numbers and lack others"):
        rm.RoMAERegressor(**quick()).fit(X, y)


def test_a_resumed_run_continues_its_pre_training(tmp_path):
    from tests.training.runs import WatchedSource, request_shutdown

    X, y = series()
    partly = np.where(np.arange(24) < 12, y.astype(object), None)
    tokens = rm.from_arrays(X, targets=partly)
    settings = quick(epochs=4, batch_size=5, dropout=0.2, validation_fraction=0.0)
    whole = rm.RoMAEClassifier(**settings).fit(tokens)
    for stop_at in (8, 32):  # in pre-training, and in fine-tuning
        out = tmp_path / str(stop_at)
        with pytest.raises(KeyboardInterrupt):
            rm.RoMAEClassifier(out=out, **settings).fit(WatchedSource(tokens, stop_at, request_shutdown))
        assert (out / "pretraining" / "run.json").exists()
        assert (out / "run.json").exists() == (stop_at == 32)
        with pytest.raises(FileExistsError):
            rm.RoMAEClassifier(out=out, **settings).fit(tokens)
        resumed = rm.RoMAEClassifier(out=out, resume=True, **settings).fit(tokens)
        np.testing.assert_array_equal(resumed.predict_proba(X), whole.predict_proba(X))
        np.testing.assert_array_equal(rm.load(out).predict_proba(X), whole.predict_proba(X))
        assert json.loads((out / "pretraining" / "estimator.json").read_text())["estimator"] == "RoMAEEmbedder"


def test_a_missing_label_among_text_is_none():
    X, y = series()
    partly = [None if i % 3 == 2 else name for i, name in enumerate(y)]
    gaps = [np.nan if name is None else name for name in partly]
    for tokens in (rm.from_arrays(X, targets=gaps), rm.from_arrays(X).with_targets(gaps)):
        assert [None if i % 3 == 2 else name for i, name in enumerate(y)] == tokens.targets.tolist()
        assert rm.RoMAEClassifier(**quick()).fit(tokens).classes_.tolist() == ["falls", "rises"]


def test_labelled_samples_can_be_selected_fitted_and_scored():
    X, _ = series()
    frame = pd.DataFrame(
        {
            "id": np.repeat(np.arange(24), 9),
            "time": np.tile(np.arange(9.0), 24),
            "value": X[:, 0].ravel(),
            "y": pd.array(np.repeat([0, 1, None] * 8, 9), "Int64"),
        }
    )
    tokens = rm.from_frame(frame, target="y")
    known = np.array([label is not None for label in tokens.targets])
    clf = rm.RoMAEClassifier(**quick()).fit(tokens[known])
    assert clf.classes_.tolist() == [0, 1]
    assert clf.score(tokens) == clf.score(tokens[known])
    numbers = np.where(known, np.arange(24.0), np.nan)
    reg = rm.RoMAERegressor(**quick()).fit(rm.from_arrays(X), numbers)
    assert reg.score(X, numbers) == reg.score(X[known], numbers[known])
