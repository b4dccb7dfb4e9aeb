"""The commands report, for finished and unfinished runs, and info."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import LONG, N_STAYS, SMALL, WIDE, Files, Romae

TITLES = {
    "pretrain": ["Learning curves", "Prediction of masked values", "Predictions for single samples"],
    "classify": ["Learning curves", "Metrics", "Confusion matrix and calibration"],
    "regress": ["Learning curves", "Metrics", "Predicted and true values"],
    "interpolate": ["Predictions for single samples", "Coverage of the prediction intervals"],
    "gaps": ["Predictions for single samples", "Coverage of the prediction intervals"],
}


def page_text(page: Path) -> str:
    """Return the visible text of a page, without the charts."""
    text = page.read_text().partition("<header>")[2].partition('<script type="application/json"')[0]
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def figures(page: Path) -> dict[str, list[dict]]:
    found = re.search(r'id="figures">(.*?)</script>', page.read_text(), re.DOTALL)
    assert found is not None
    return json.loads(found[1])


@pytest.mark.parametrize("kind", TITLES)
def test_the_report_has_the_sections_of_its_run(romae: Romae, runs: dict[str, Path], tmp_path: Path, kind: str) -> None:
    out = tmp_path / "page.html"
    result = romae("report", runs[kind], "--out", out)
    assert result.code == 0, result.err
    text = page_text(out)
    for title in ("Training data", *TITLES[kind], "Settings and versions"):
        assert title in text
    n_training, n_held = (re.search(where, text) for where in (r"training set (\d+)", r"on the validation set: (\d+)"))
    assert n_training is not None
    assert n_held is not None
    assert int(n_training[1]) + int(n_held[1]) == 24
    assert "This run has no held-out predictions" not in text


@pytest.mark.parametrize(("kind", "metric"), [("classify", "balanced accuracy"), ("regress", "r2")])
def test_baselines_have_the_scores_of_the_fit(
    romae: Romae, runs: dict[str, Path], tmp_path: Path, kind: str, metric: str
) -> None:
    summary = json.loads((runs[kind] / "estimator.json").read_text())["summary"]
    assert len(summary["baselines"]) >= 1
    assert romae("report", runs[kind], "--out", tmp_path / "page.html").code == 0
    section = page_text(tmp_path / "page.html").partition("Comparison with baselines")[2]
    key = metric.replace(" ", "_")
    for name, scores in summary["baselines"].items():
        assert re.search(rf"{re.escape(name)}[^A-Za-z]*{scores[key]:.3f}", section), section[:600]
    assert f"{summary['scores'][key]:.3f}" in section


def test_the_page_is_written_to_the_run_by_default(romae: Romae, runs: dict[str, Path], tmp_path: Path) -> None:
    run = shutil.copytree(runs["pretrain"], tmp_path / "run")
    assert romae("report", run).code == 0
    assert (run / "report.html").stat().st_size > 1_000_000
    assert "run: a pre-trained model" in page_text(run / "report.html")


def test_other_data_is_evaluated_if_given(romae: Romae, files: Files, runs: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    result = romae("report", runs["classify"], "--data", files.long_csv, "--out", out)
    assert result.code == 0, result.err
    assert f"Evaluated on {files.long_csv}: 24 samples. They include the training samples" in page_text(out)
    assert romae("report", runs["classify"], "--data", files.long_parquet, "--out", out).code == 0
    assert f"Evaluated on {files.long_parquet}: 24 samples." in page_text(out)
    assert "They include" not in page_text(out)
    assert sum(sum(row) for row in figures(out)["confusion"][0]["data"][0]["customdata"]) == 24
    evaluated = romae("evaluate", runs["classify"], files.long_csv).out
    accuracy = float(re.search(r"^accuracy\s+(\S+)", evaluated, re.MULTILINE)[1])  # type: ignore[index]
    assert f"accuracy {accuracy:.3f}" in page_text(out)


def test_labels_colour_the_map_of_a_pretrained_run(
    romae: Romae, files: Files, runs: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "page.html"
    given = ["--data", files.long_csv, "--label", "kind", "--labels", files.labels_csv, "--out", out]
    assert romae("report", runs["pretrain"], *given).code == 0
    assert [trace["name"] for trace in figures(out)["map"][0]["data"]] == ["agn", "eclipsing", "pulsator", "supernova"]


def test_an_interrupted_run_has_a_report(
    romae: Romae, files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rotary_mae.training.trainer import Trainer

    whole = Trainer._end_epoch

    def interrupted(self, bar):
        whole(self, bar)
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "_end_epoch", interrupted)
    run, out = tmp_path / "run", tmp_path / "page.html"
    settings = [*SMALL, "--epochs=3", "--training.max_steps=12", "--training.save_seconds=0"]
    assert romae("classify", files.long_csv, *LONG, "--label", "class", "--out", run, *settings).code == 130
    assert romae("report", run, "--out", out).code == 0
    text = page_text(out)
    assert "This run has no held-out predictions" in text
    assert "not finished" in text
    assert "This training has not finished" in text
    assert "channels g, i, r, z" in text
    assert len(figures(out)["loss0"][0]["data"][0]["x"]) == 1
    assert romae("report", run, "--data", files.long_csv, "--out", out).code == 0
    assert "Confusion matrix and calibration" in page_text(out)
    monkeypatch.undo()
    assert romae("classify", files.long_csv, "--out", run, "--resume").code == 0
    assert romae("report", run, "--out", out).code == 0
    assert "This run has no held-out predictions" not in page_text(out)


def test_a_run_without_a_validation_set_has_a_report(romae: Romae, files: Files, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert (
        romae("regress", files.wide_csv, *WIDE, "--target=days", "--out", run, *SMALL, "--validation-fraction=0").code
        == 0
    )
    assert not (run / "held_out").exists()
    assert romae("report", run).code == 0
    assert "This run has no held-out predictions" in page_text(run / "report.html")


def test_the_report_of_another_folder_is_refused(
    romae: Romae, files: Files, runs: dict[str, Path], tmp_path: Path
) -> None:
    assert "not the folder of a run" in romae("report", tmp_path).error
    assert "--data" in romae("report", runs["classify"], "--label", "class").error
    without = romae("report", runs["classify"], "--data", files.wide_csv, *WIDE)
    assert without.code == 2


def test_missing_plotly_is_reported_before_any_work(
    romae: Romae, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rotary_mae.report import page

    monkeypatch.setattr(page, "find_spec", lambda name: None)
    for command in (["report", tmp_path], ["demo", "--out", tmp_path / "demo"]):
        assert "pip install 'rotary-mae[report]'" in romae(*command).error
    assert not (tmp_path / "demo").exists()


def test_info_describes_runs_and_files(romae: Romae, files: Files, runs: dict[str, Path]) -> None:
    for run in runs.values():
        result = romae("info", run)
        assert result.code == 0, result.err
        assert "parameters" in result.out
        assert "finished, " in result.out
    result = romae("info", files.wide_csv, "--id", "stay", "--time", "when", "--value", "hr,sbp")
    for expected in ("samples", str(N_STAYS), "2024-03-0", "typical spacing", "missing", "hr", "sbp"):
        assert expected in result.out
    assert "4 values: agn 6" in romae("info", files.tokens_parquet).out
    assert romae("info", files.folder / "cache").code == 0
