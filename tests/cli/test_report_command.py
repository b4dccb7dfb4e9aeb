"""The report of any run, finished or not."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import LONG, SMALL, WIDE, Files, Romae

TITLES = {
    "pretrain": ["How it learned", "How well it fills in what was hidden", "Object by object"],
    "classify": ["How it learned", "How good it is", "Which classes it confuses"],
    "regress": ["How it learned", "How good it is", "Predicted against true"],
    "interpolate": ["Object by object", "Whether its intervals hold what they promise"],
    "gaps": ["Object by object", "Whether its intervals hold what they promise"],
}


def words(page: Path) -> str:
    """What a reader sees of it, but for the charts."""
    text = page.read_text().partition("<header>")[2].partition('<script type="application/json"')[0]
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def figures(page: Path) -> dict[str, list[dict]]:
    found = re.search(r'id="figures">(.*?)</script>', page.read_text(), re.DOTALL)
    assert found is not None
    return json.loads(found[1])


@pytest.mark.parametrize("kind", TITLES)
def test_a_run_tells_what_it_has(romae: Romae, runs: dict[str, Path], tmp_path: Path, kind: str) -> None:
    out = tmp_path / "page.html"
    said = romae("report", runs[kind], "--out", out)
    assert said.code == 0, said.err
    text = words(out)
    for title in ("What it was trained on", *TITLES[kind], "Settings and versions"):
        assert title in text
    n_training, n_held = (re.search(where, text) for where in (r"learned from (\d+)", r"on the validation part: (\d+)"))
    assert n_training is not None
    assert n_held is not None
    assert int(n_training[1]) + int(n_held[1]) == 24
    assert "There are no held-out answers" not in text


@pytest.mark.parametrize(("kind", "metric"), [("classify", "balanced accuracy"), ("regress", "r2")])
def test_simple_methods_are_beside_it_as_the_fit_told(
    romae: Romae, runs: dict[str, Path], tmp_path: Path, kind: str, metric: str
) -> None:
    summary = json.loads((runs[kind] / "estimator.json").read_text())["summary"]
    assert len(summary["baselines"]) >= 1
    assert romae("report", runs[kind], "--out", tmp_path / "page.html").code == 0
    told = words(tmp_path / "page.html").partition("Beside simple methods")[2]
    key = metric.replace(" ", "_")
    for name, scores in summary["baselines"].items():
        assert re.search(rf"{re.escape(name)}[^A-Za-z]*{scores[key]:.3f}", told), told[:600]
    assert f"{summary['scores'][key]:.3f}" in told


def test_the_page_lies_in_the_run_unless_said(romae: Romae, runs: dict[str, Path], tmp_path: Path) -> None:
    run = shutil.copytree(runs["pretrain"], tmp_path / "run")
    assert romae("report", run).code == 0
    assert (run / "report.html").stat().st_size > 1_000_000
    assert "run: a model pre-trained without labels" in words(run / "report.html")


def test_other_data_is_judged_on_when_given(romae: Romae, files: Files, runs: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    said = romae("report", runs["classify"], "--data", files.long_csv, "--out", out)
    assert said.code == 0, said.err
    assert f"Judged on {files.long_csv}: 24 samples. Among them are those it was trained on" in words(out)
    assert romae("report", runs["classify"], "--data", files.long_parquet, "--out", out).code == 0
    assert f"Judged on {files.long_parquet}: 24 samples." in words(out)
    assert "Among them" not in words(out)
    assert sum(sum(row) for row in figures(out)["confusion"][0]["data"][0]["customdata"]) == 24
    evaluated = romae("evaluate", runs["classify"], files.long_csv).out
    accuracy = float(re.search(r"^accuracy\s+(\S+)", evaluated, re.MULTILINE)[1])  # type: ignore[index]
    assert f"accuracy {accuracy:.3f}" in words(out)


def test_labels_colour_the_map_of_a_pretrained_run(
    romae: Romae, files: Files, runs: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "page.html"
    given = ["--data", files.long_csv, "--label", "kind", "--labels", files.labels_csv, "--out", out]
    assert romae("report", runs["pretrain"], *given).code == 0
    assert [trace["name"] for trace in figures(out)["map"][0]["data"]] == ["agn", "eclipsing", "pulsator", "supernova"]


def test_a_run_that_was_cut_short_shows_what_it_has(
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
    text = words(out)
    assert "There are no held-out answers in this run" in text
    assert "not finished" in text
    assert "This training has not come to its end" in text
    assert "channels g, i, r, z" in text
    assert len(figures(out)["loss0"][0]["data"][0]["x"]) == 1
    assert romae("report", run, "--data", files.long_csv, "--out", out).code == 0
    assert "How good it is" in words(out)
    monkeypatch.undo()
    assert romae("classify", files.long_csv, "--out", run, "--resume").code == 0
    assert romae("report", run, "--out", out).code == 0
    assert "There are no held-out answers" not in words(out)


def test_too_few_samples_for_a_validation_part(romae: Romae, files: Files, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert (
        romae("regress", files.wide_csv, *WIDE, "--target=days", "--out", run, *SMALL, "--validation-fraction=0").code
        == 0
    )
    assert not (run / "held_out").exists()
    assert romae("report", run).code == 0
    assert "There are no held-out answers" in words(run / "report.html")


def test_what_is_no_run_is_said(romae: Romae, files: Files, runs: dict[str, Path], tmp_path: Path) -> None:
    assert "not the folder of a run" in romae("report", tmp_path).error
    assert "--data" in romae("report", runs["classify"], "--label", "class").error
    without = romae("report", runs["classify"], "--data", files.wide_csv, *WIDE)
    assert without.code == 2


def test_without_plotly_it_says_so_before_any_work(
    romae: Romae, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rotary_mae.report import page

    monkeypatch.setattr(page, "find_spec", lambda name: None)
    for command in (["report", tmp_path], ["demo", "--out", tmp_path / "demo"]):
        assert "pip install 'rotary-mae[report]'" in romae(*command).error
    assert not (tmp_path / "demo").exists()
