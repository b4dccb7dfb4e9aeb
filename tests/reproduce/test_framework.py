"""Runs, resumption of stopped runs, and the table."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import rotary_mae as rm
from reproduce import run as running
from reproduce.__main__ import main
from reproduce.experiment import NAMES, PROFILES, load
from reproduce.model_selection import parse_changes, with_changes
from reproduce.table import HERE, read_results, rows_of, write
from tests.reproduce.toy import N_BATCHES, toy

KEYS = {"experiment", "dataset", "metric", "split", "profile", "value", "std", "seeds", "n_parameters", "seconds"}
KEYS |= {"hardware", "commit", "published", "best_other"}


def test_committed_page_and_table_agree_with_the_result_files() -> None:
    assert write(is_check=True) == 0


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_has_both_profiles_with_json_settings(name: str) -> None:
    experiment = load(name)
    assert experiment.name == name
    assert set(experiment.profiles) == set(PROFILES)
    for profile in experiment.profiles.values():
        assert json.loads(json.dumps(profile.settings)) == profile.settings, "settings must be JSON"
        assert set(experiment.trial) <= set(profile.settings)
    if not experiment.profiles["quick"].needs:
        assert experiment.profiles["quick"].minutes <= 20


def test_experiments_use_public_names_alone() -> None:
    for path in HERE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            for name in names:
                if name.split(".")[0] == "rotary_mae":
                    assert name == "rotary_mae" or name.startswith("rotary_mae.datasets"), f"{path}: {name}"


def test_library_does_not_import_reproduce() -> None:
    for path in Path(rm.__file__).parent.rglob("*.py"):
        assert "reproduce" not in path.read_text().split("import ")[0], path
        assert "import reproduce" not in path.read_text(), path


def test_result_file_holds_settings_versions_and_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "RESULTS", tmp_path / "results")
    path = running.measure(toy(), "quick", 3, runs=tmp_path / "runs")
    result = json.loads(path.read_text())
    assert path.name == "toy-quick-3.json"
    assert {"experiment", "profile", "seed", "settings", "versions", "hardware", "commit", "seconds"} <= set(result)
    assert [m["method"] for m in result["measures"]] == ["RoMAE", "nothing"] * 2
    assert set(result["curves"]) == {"one", "two"}
    training = [m["seconds"] for m in result["measures"] if m["method"] == "RoMAE"]
    assert result["seconds"] == pytest.approx(sum(training), abs=0.1)


def test_results_depend_on_the_seed_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "RESULTS", tmp_path / "results")
    found = [
        json.loads(running.measure(toy(), "quick", seed, runs=tmp_path / name).read_text())["curves"]
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    assert found[0] == found[1] != found[2]


def test_run_folder_with_other_settings_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "RESULTS", tmp_path / "results")
    experiment = toy()
    running.measure(experiment, "quick", 0, runs=tmp_path)
    experiment.profiles["quick"].settings["training"]["epochs"] = 7  # type: ignore[index]
    with pytest.raises(ValueError, match="other settings"):
        running.measure(experiment, "quick", 0, runs=tmp_path)


@pytest.mark.slow
def test_killed_run_resumes(tmp_path: Path) -> None:
    def run(where: str, dies_at: int) -> int:
        command = [sys.executable, "-m", "tests.reproduce.toy", str(tmp_path / where), str(dies_at)]
        return subprocess.run(command, cwd=HERE.parent, check=False, capture_output=True).returncode

    assert run("complete", 0) == 0
    assert run("killed", N_BATCHES // 2 + 2) < 0
    half = tmp_path / "killed/results/toy-quick-0.json"
    assert json.loads(half.read_text())["to_do"] == ["two"]
    assert not running.is_complete(half)
    written = (tmp_path / "killed/runs/toy-quick-0/one.json").stat().st_mtime_ns
    assert (tmp_path / "killed/runs/toy-quick-0/two/last").exists()
    assert run("killed", 0) == 0
    assert (tmp_path / "killed/runs/toy-quick-0/one.json").stat().st_mtime_ns == written
    complete, resumed = (
        json.loads((tmp_path / name / "results/toy-quick-0.json").read_text()) for name in ("complete", "killed")
    )
    assert complete["curves"] == resumed["curves"]
    assert complete["to_do"] == resumed["to_do"] == []


def a_result(seed: int, value: float, profile: str = "quick") -> dict:
    metadata = {"experiment": "toy", "profile": profile, "seed": seed, "hardware": "abacus", "commit": "abc"}
    row = {"dataset": "toy", "metric": "weights", "split": "test", "n_parameters": 7}
    measures = [
        {**row, "method": "RoMAE", "value": value, "seconds": 10.0 * seed},
        {**row, "method": "nothing", "value": 1.0, "seconds": None, "n_parameters": None},
    ]
    return {**metadata, "measures": measures, "curves": {}}


def test_table_shows_the_mean_over_seeds_and_published_numbers(tmp_path: Path) -> None:
    results = [a_result(0, 2.0), a_result(1, 4.0), a_result(0, 9.0, "paper")]
    for result in results:
        path = tmp_path / "results" / f"toy-{result['profile']}-{result['seed']}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(result))
    assert write(tmp_path, [toy()], is_check=True) == 1
    assert write(tmp_path, [toy()]) == 0
    assert write(tmp_path, [toy()], is_check=True) == 0
    rows = json.loads((tmp_path / "results.json").read_text())
    assert all(set(row) >= KEYS for row in rows)
    ours, baseline, paper, _ = rows
    assert (ours["value"], ours["std"], ours["seeds"], ours["seconds"]) == (3.0, pytest.approx(2**0.5), [0, 1], 5.0)
    assert (ours["published"], ours["best_other"]) == (3.0, 4.0)
    assert (baseline["method"], baseline["published"], baseline["std"]) == ("nothing", None, 0.0)
    assert (paper["profile"], paper["value"], paper["std"], paper["seeds"]) == ("paper", 9.0, None, [0])
    page = (tmp_path / "README.md").read_text()
    assert "| toy | RoMAE | weights | test | quick | 3 ± 1.414 | 3 | 4 (Other) | 0, 1 | 7 | 5 | abacus | abc |" in page
    (tmp_path / "results" / "toy-quick-1.json").unlink()
    assert write(tmp_path, [toy()], is_check=True) == 1


def test_results_of_an_experiment_with_a_longer_name_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "toy-quick-0.json").write_text(json.dumps(a_result(0, 2.0)))
    (tmp_path / "toy-box-quick-0.json").write_text(json.dumps({**a_result(0, 9.0), "experiment": "toy-box"}))
    assert [row["value"] for row in rows_of(toy(), read_results(tmp_path, "toy"))] == [2.0, 1.0]


def test_names_of_earlier_result_files_are_shown_in_current_terms(tmp_path: Path) -> None:
    result = a_result(0, 2.0)
    result["measures"][0] |= {"method": "RoMAE, 75 % hidden in blocks", "metric": "macro F"}
    result["measures"][1] |= {"method": "straight lines between what is seen"}
    (tmp_path / "toy-quick-0.json").write_text(json.dumps({**result, "curves": {"sines: straight lines": [1.0]}}))
    (read,) = read_results(tmp_path, "toy")
    assert [m["method"] for m in read["measures"]] == ["RoMAE, 75 % masked in blocks", "linear interpolation"]
    assert [m["metric"] for m in read["measures"]] == ["macro F1", "weights"]
    assert [m["value"] for m in read["measures"]] == [2.0, 1.0]
    assert read["curves"] == {"sines: linear interpolation": [1.0]}


def test_settings_are_changed_by_dotted_name() -> None:
    settings = {"model": {"width": 8}, "unit": 1.0}
    new = with_changes(settings, parse_changes(["model.width=16", "model.depth=2", "unit=0.5"]))
    assert new == {"model": {"width": 16, "depth": 2}, "unit": 0.5}
    assert settings == {"model": {"width": 8}, "unit": 1.0}
    with pytest.raises(ValueError, match="no setting 'units'"):
        with_changes(settings, {"units": 1})
    with pytest.raises(ValueError, match="NAME=VALUE"):
        parse_changes(["width"])


def test_commands_list_experiments_and_report_unknown_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in NAMES)
    assert main(["run", "nothing"]) == 2
    assert "there is no experiment 'nothing'; there are" in capsys.readouterr().err
    assert main(["table", "--check"]) == 0
