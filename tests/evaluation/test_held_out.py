"""Held-out predictions are restored from the folder of a run."""

import json

import pyarrow as pa
import pytest

from rotary_mae.evaluation.held_out import HeldOutPredictions

ABOUT = {"kind": "RoMAEInterpolator", "quantiles": [0.05, 0.95]}


def test_saved_tables_are_restored_and_missing_ones_are_none(tmp_path):
    saved = HeldOutPredictions(ABOUT, pa.table({"id": ["a", "b"]}), masked=pa.table({"sample": [0], "truth": [1.5]}))
    saved.save(tmp_path)
    loaded = HeldOutPredictions.load(tmp_path)
    assert loaded == saved
    assert loaded.visible is loaded.curves is None


def test_the_files_of_a_run_have_fixed_names(tmp_path):
    table = pa.table({"sample": [0]})
    HeldOutPredictions(ABOUT, table, masked=table, visible=table, curves=table).save(tmp_path)
    assert sorted(p.name for p in (tmp_path / "held_out").iterdir()) == [
        "about.json",
        "curves.parquet",
        "samples.parquet",
        "seen.parquet",
        "values.parquet",
    ]
    assert json.loads((tmp_path / "held_out" / "about.json").read_text()) == ABOUT


def test_new_predictions_replace_all_old_ones(tmp_path):
    table = pa.table({"sample": [0]})
    HeldOutPredictions(ABOUT, table, masked=table).save(tmp_path)
    HeldOutPredictions(ABOUT, table).save(tmp_path)
    assert HeldOutPredictions.load(tmp_path).masked is None


def test_a_failed_write_leaves_the_old_predictions(tmp_path):
    table = pa.table({"sample": [0]})
    HeldOutPredictions(ABOUT, table).save(tmp_path)
    with pytest.raises(TypeError, match="not JSON serializable"):
        HeldOutPredictions({"kind": object()}, pa.table({"sample": [1]})).save(tmp_path)
    assert HeldOutPredictions.load(tmp_path) == HeldOutPredictions(ABOUT, table)


def test_a_run_without_predictions_has_none(tmp_path):
    assert HeldOutPredictions.load(tmp_path) is None
