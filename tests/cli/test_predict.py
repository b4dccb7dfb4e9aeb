"""Commands that apply a trained run, and the files they write."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rotary_mae as rm
from tests.cli.conftest import N_OBJECTS, N_STAYS, Files, Romae, long_frame, wide_frame

Runs = dict[str, Path]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_predict_writes_classes_and_probabilities(
    romae: Romae, files: Files, runs: Runs, tmp_path: Path, kind: str
) -> None:
    out = tmp_path / f"predictions.{kind}"
    assert romae("predict", runs["classify"], getattr(files, f"long_{kind}"), "--out", out).code == 0
    table = pd.read_csv(out) if kind == "csv" else pd.read_parquet(out)
    classes = ["agn", "eclipsing", "pulsator", "supernova"]
    assert list(table) == ["id", "prediction", *(f"p_{name}" for name in classes)]
    assert list(table["id"]) == list(long_frame()["object_id"].drop_duplicates())
    probabilities = table[[f"p_{name}" for name in classes]].to_numpy()
    np.testing.assert_allclose(probabilities.sum(1), 1)
    assert list(table["prediction"]) == [classes[k] for k in probabilities.argmax(1)]


def test_predict_writes_the_predictions_of_the_estimator(
    romae: Romae, files: Files, runs: Runs, tmp_path: Path
) -> None:
    out = tmp_path / "predictions.parquet"
    assert romae("predict", runs["regress"], files.wide_parquet, "--out", out).code == 0
    np.testing.assert_array_equal(
        pd.read_parquet(out)["prediction"], rm.load(runs["regress"]).predict(pd.read_parquet(files.wide_parquet))
    )


def test_predict_needs_no_labels_and_takes_other_column_names(
    romae: Romae, files: Files, runs: Runs, tmp_path: Path
) -> None:
    data = tmp_path / "new.csv"
    wide_frame().drop(columns=["days", "score"]).rename(columns={"stay": "patient"}).to_csv(data, index=False)
    assert "name the column with --id" in romae("predict", runs["regress"], data, "--out", tmp_path / "a.csv").error
    assert romae("predict", runs["regress"], data, "--id", "patient", "--out", tmp_path / "a.csv").code == 0
    assert romae("predict", runs["regress"], files.wide_csv, "--out", tmp_path / "b.csv").code == 0
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()


@pytest.mark.parametrize("kind", ["long_csv", "long_parquet"])
def test_embed_writes_a_vector_per_series(romae: Romae, files: Files, runs: Runs, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "vectors.parquet"
    assert romae("embed", runs["pretrain"], getattr(files, kind), "--out", out).code == 0
    vectors = pd.read_parquet(out)
    assert list(vectors) == ["id", *(f"e{k}" for k in range(24))]
    assert len(vectors) == N_OBJECTS


def test_a_grid_covers_the_span_of_each_series(romae: Romae, files: Files, runs: Runs, tmp_path: Path) -> None:
    out = tmp_path / "grid.parquet"
    assert romae("interpolate", runs["interpolate"], files.long_csv, "--at", "grid:7", "--out", out).code == 0
    table = pd.read_parquet(out)
    assert list(table) == ["object_id", "mjd", "band", "value", "std"]
    assert len(table) == N_OBJECTS * 4 * 7
    spans = long_frame().groupby("object_id")["mjd"].agg(["min", "max"])
    found = table.groupby("object_id")["mjd"].agg(["min", "max"])
    np.testing.assert_allclose(found, spans.loc[found.index])
    assert (table["std"] > 0).all()


def test_interpolate_can_write_a_picture(romae: Romae, files: Files, runs: Runs, tmp_path: Path) -> None:
    flags = ["interpolate", runs["gaps"], files.wide_csv, "--at", "grid:3", "--out", tmp_path / "a.csv", "--plot"]
    assert "written as one of .png, .pdf, .svg" in romae(*flags, tmp_path / "a.jpeg").error
    assert not (tmp_path / "a.csv").exists()
    assert romae(*flags, tmp_path / "a.png").code == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_interpolate_keeps_time_stamps_and_ids(romae: Romae, files: Files, runs: Runs, tmp_path: Path) -> None:
    queries = wide_frame()[["stay", "when"]].iloc[::-3]
    queries.to_csv(tmp_path / "at.csv", index=False)
    tables = []
    for at, suffix in ((tmp_path / "at.csv", "csv"), (tmp_path / "at.csv", "parquet")):
        out = tmp_path / f"predictions.{suffix}"
        result = romae("interpolate", runs["gaps"], files.wide_csv, "--at", at, "--out", out)
        assert result.code == 0, result.err
        tables.append(pd.read_csv(out, parse_dates=["when"]) if suffix == "csv" else pd.read_parquet(out))
    for table in tables:
        assert list(table) == ["stay", "when", "value_hr", "value_sbp", "std_hr", "std_sbp"]
        assert list(table["stay"]) == list(queries["stay"])
        assert (table["when"].to_numpy() == queries["when"].to_numpy()).all()
    np.testing.assert_allclose(tables[0]["value_hr"], tables[1]["value_hr"])


def test_a_grid_of_time_stamps_starts_at_the_first_measurement(
    romae: Romae, files: Files, runs: Runs, tmp_path: Path
) -> None:
    out = tmp_path / "grid.parquet"
    assert romae("interpolate", runs["gaps"], files.wide_parquet, "--at", "grid:3", "--out", out).code == 0
    table = pd.read_parquet(out)
    assert len(table) == N_STAYS * 3 * 2  # each time in both channels
    first = table.groupby("stay")["when"].min()
    assert (first == wide_frame().groupby("stay")["when"].min()).all()


def test_evaluate_prints_and_writes_the_same_metrics(romae: Romae, files: Files, runs: Runs, tmp_path: Path) -> None:
    result = romae("evaluate", runs["classify"], files.long_parquet, "--out", tmp_path / "metrics.json")
    assert result.code == 0, result.err
    written = json.loads((tmp_path / "metrics.json").read_text())
    printed = dict(line.split() for line in result.out.splitlines())
    assert set(printed) == {"accuracy", "balanced_accuracy", "macro_f1", "log_loss", "ece"}
    assert {k: float(v) for k, v in printed.items()} == pytest.approx({k: written[k] for k in printed}, abs=1e-5)
    score = rm.load(runs["classify"]).score(pd.read_parquet(files.long_parquet))
    assert written["accuracy"] == score


@pytest.mark.parametrize("run", ["pretrain", "interpolate", "gaps"])
def test_evaluate_is_reproducible_on_masked_values(romae: Romae, files: Files, runs: Runs, run: str) -> None:
    data = files.wide_csv if run == "gaps" else files.long_csv
    result = romae("evaluate", runs[run], data)
    assert result.code == 0, result.err
    metrics = {name: float(value) for name, value in (line.split() for line in result.out.splitlines())}
    assert {"n_hidden", "mse", "mse_mean", "mse_linear"} <= set(metrics)
    assert ("log_likelihood" in metrics) == (run != "pretrain")
    assert romae("evaluate", runs[run], data).out == result.out


def test_evaluate_prints_the_score_of_the_estimator(romae: Romae, files: Files, runs: Runs) -> None:
    result = romae("evaluate", runs["regress"], files.wide_csv)
    estimator = rm.load(runs["regress"])
    score = estimator.score(pd.read_parquet(files.wide_parquet))
    assert dict(line.split() for line in result.out.splitlines())["r2"] == f"{score:.6g}"


@pytest.mark.parametrize(
    ("command", "run", "expected"),
    [
        ("predict", "pretrain", "needs a classify or regress run"),
        ("embed", "classify", "needs a pretrain run"),
        ("interpolate", "pretrain", "needs a fit-interpolator run"),
    ],
)
def test_a_run_of_another_kind_is_refused(
    romae: Romae, files: Files, runs: Runs, tmp_path: Path, command: str, run: str, expected: str
) -> None:
    more = ["--at", "grid:3"] if command == "interpolate" else []
    result = romae(command, runs[run], files.long_csv, "--out", tmp_path / "out.csv", *more)
    assert expected in result.error
    assert not list(tmp_path.iterdir())
