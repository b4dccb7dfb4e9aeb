"""Running, going on after a kill, and the table."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import rotary_mae as rm
from reproduce import run as running
from reproduce.__main__ import main
from reproduce.model_selection import changed, parse_changes
from reproduce.experiment import NAMES, PROFILES, load
from reproduce.table import HERE, rows_of, write
from tests.reproduce.toy import N_BATCHES, toy

KEYS = {"experiment", "dataset", "metric", "split", "profile", "value", "std", "seeds", "n_parameters", "seconds"}
KEYS |= {"hardware", "commit", "published", "best_other"}


def test_page_and_results_are_those_of_the_committed_files() -> None:
    assert write(is_check=True) == 0


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_says_what_it_is(name: str) -> None:
    experiment = load(name)
    assert experiment.name == name
    assert set(experiment.profiles) == set(PROFILES)
    for profile in experiment.profiles.values():
        assert json.loads(json.dumps(profile.settings)) == profile.settings, "settings must be JSON"
        assert set(experiment.trial) <= set(profile.settings)
    if not experiment.profiles["quick"].needs:
        assert experiment.profiles["quick"].minutes <= 20


def test_only_public_names_are_used() -> None:
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


def test_the_library_does_not_know_of_it() -> None:
    for path in Path(rm.__file__).parent.rglob("*.py"):
        assert "reproduce" not in path.read_text().split("import ")[0], path
        assert "import reproduce" not in path.read_text(), path


def test_a_result_holds_what_is_needed_to_make_it_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "RESULTS", tmp_path / "results")
    path = running.measure(toy(), "quick", 3, runs=tmp_path / "runs")
    result = json.loads(path.read_text())
    assert path.name == "toy-quick-3.json"
    assert {"experiment", "profile", "seed", "settings", "versions", "hardware", "commit", "seconds"} <= set(result)
    assert [m["method"] for m in result["measures"]] == ["RoMAE", "nothing"] * 2
    assert set(result["curves"]) == {"one", "two"}
    training = [m["seconds"] for m in result["measures"] if m["method"] == "RoMAE"]
    assert result["seconds"] == pytest.approx(sum(training), abs=0.1)


def test_a_seed_repeats_and_another_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "RESULTS", tmp_path / "results")
    found = [
        json.loads(running.measure(toy(), "quick", seed, runs=tmp_path / name).read_text())["curves"]
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    assert found[0] == found[1] != found[2]


def test_parts_of_other_settings_are_not_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "RESULTS", tmp_path / "results")
    experiment = toy()
    running.measure(experiment, "quick", 0, runs=tmp_path)
    experiment.profiles["quick"].settings["training"]["epochs"] = 7  # type: ignore[index]
    with pytest.raises(ValueError, match="other settings"):
        running.measure(experiment, "quick", 0, runs=tmp_path)


@pytest.mark.slow
def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    def run(where: str, dies_at: int) -> int:
        command = [sys.executable, "-m", "tests.reproduce.toy", str(tmp_path / where), str(dies_at)]
        return subprocess.run(command, cwd=HERE.parent, check=False, capture_output=True).returncode

    assert run("whole", 0) == 0
    assert run("killed", N_BATCHES // 2 + 2) < 0
    half = tmp_path / "killed/results/toy-quick-0.json"
    assert json.loads(half.read_text())["to_do"] == ["two"]
    assert not running.is_complete(half)
    kept = (tmp_path / "killed/runs/toy-quick-0/one.json").stat().st_mtime_ns
    assert (tmp_path / "killed/runs/toy-quick-0/two/last").exists()
    assert run("killed", 0) == 0
    assert (tmp_path / "killed/runs/toy-quick-0/one.json").stat().st_mtime_ns == kept
    whole, gone_on = (
        json.loads((tmp_path / name / "results/toy-quick-0.json").read_text()) for name in ("whole", "killed")
    )
    assert whole["curves"] == gone_on["curves"]
    assert whole["to_do"] == gone_on["to_do"] == []


def fake(seed: int, value: float, profile: str = "quick") -> dict:
    about = {"experiment": "toy", "profile": profile, "seed": seed, "hardware": "abacus", "commit": "abc"}
    row = {"dataset": "toy", "metric": "weights", "split": "test", "n_parameters": 7}
    measures = [
        {**row, "method": "RoMAE", "value": value, "seconds": 10.0 * seed},
        {**row, "method": "nothing", "value": 1.0, "seconds": None, "n_parameters": None},
    ]
    return {**about, "measures": measures, "curves": {}}


def test_the_table_is_made_from_the_results(tmp_path: Path) -> None:
    results = [fake(0, 2.0), fake(1, 4.0), fake(0, 9.0, "paper")]
    for result in results:
        path = tmp_path / "results" / f"toy-{result['profile']}-{result['seed']}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(result))
    assert write(tmp_path, [toy()], is_check=True) == 1
    assert write(tmp_path, [toy()]) == 0
    assert write(tmp_path, [toy()], is_check=True) == 0
    rows = json.loads((tmp_path / "results.json").read_text())
    assert all(set(row) >= KEYS for row in rows)
    ours, simple, paper, _ = rows
    assert (ours["value"], ours["std"], ours["seeds"], ours["seconds"]) == (3.0, pytest.approx(2**0.5), [0, 1], 5.0)
    assert (ours["published"], ours["best_other"]) == (3.0, 4.0)
    assert (simple["method"], simple["published"], simple["std"]) == ("nothing", None, 0.0)
    assert (paper["profile"], paper["value"], paper["std"], paper["seeds"]) == ("paper", 9.0, None, [0])
    page = (tmp_path / "README.md").read_text()
    assert "| toy | RoMAE | weights | test | quick | 3 ± 1.414 | 3 | 4 (Other) | 0, 1 | 7 | 5 | abacus | abc |" in page
    (tmp_path / "results" / "toy-quick-1.json").unlink()
    assert write(tmp_path, [toy()], is_check=True) == 1


def test_results_of_another_experiment_are_left_alone() -> None:
    assert rows_of(toy(), []) == []


def test_settings_are_changed_by_name() -> None:
    settings = {"model": {"width": 8}, "unit": 1.0}
    new = changed(settings, parse_changes(["model.width=16", "model.depth=2", "unit=0.5"]))
    assert new == {"model": {"width": 16, "depth": 2}, "unit": 0.5}
    assert settings == {"model": {"width": 8}, "unit": 1.0}
    with pytest.raises(ValueError, match="no setting 'units'"):
        changed(settings, {"units": 1})
    with pytest.raises(ValueError, match="NAME=VALUE"):
        parse_changes(["width"])


def test_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in NAMES)
    assert main(["run", "nothing"]) == 2
    assert "there is no experiment 'nothing'; there are" in capsys.readouterr().err
    assert main(["table", "--check"]) == 0
