"""The command as a function and as a process: exit codes, environment, interruptions, several processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

from rotary_mae.cli.__main__ import main
from tests.cli.conftest import LONG, MODEL, SMALL, Files, Romae

ROOT = Path(__file__).parents[2]
ROMAE = Path(sys.executable).with_name("romae")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
# long enough to be stopped before its end; the state is saved at the end of every epoch
SLOW = [*MODEL, "--epochs", "20", "--dropout", "0.1", "--training.save_seconds", "0"]


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(ROMAE), *map(str, arguments)], env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def wait_for_steps(process: subprocess.Popen[str], run: Path, n: int) -> int:
    """Wait until a state of at least n updates is saved; return its number of updates."""
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        try:
            state = json.loads((run / "last" / "training.json").read_text())
        except (FileNotFoundError, NotADirectoryError):
            state = {"step": 0}
        if state["step"] >= n:
            return int(state["step"])
        time.sleep(0.002)
    raise AssertionError(f"no state of {n} updates was saved: {process.communicate()}")


@pytest.fixture(scope="module")
def whole(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train without an interruption."""
    run = tmp_path_factory.mktemp("whole") / "run"
    assert main([str(a) for a in ("pretrain", files.long_csv, *LONG, *SLOW, "--out", run)]) == 0
    return run


def weights(run: Path) -> list[bytes]:
    return [(run / part / "model.safetensors").read_bytes() for part in ("last", "best")]


@pytest.mark.parametrize("given", [{}, {"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "7"}])
def test_the_command_sets_its_environment_and_keeps_what_the_user_set(given: dict[str, str]) -> None:
    code = (
        "import os, sys; from rotary_mae.cli.__main__ import script; sys.argv = ['romae', '--version']\n"
        "try: script()\n"
        "except SystemExit: print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules)"
    )
    others = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env={**others, **given}
    )
    expected = given.get("GOMP_SPINCOUNT", None if given else "10000")
    assert done.stdout.splitlines()[-1] == f"{expected} False"


def test_main_changes_nothing_in_the_calling_process(files: Files) -> None:
    before = dict(os.environ), warnings.showwarning, list(warnings.filters), signal.getsignal(signal.SIGINT)
    assert main(["info", str(files.tokens_parquet)]) == 0
    assert (dict(os.environ), warnings.showwarning, list(warnings.filters), signal.getsignal(signal.SIGINT)) == before


def test_warnings_are_notes_of_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_: list[str]) -> int:
        warnings.warn("two\nlines", stacklevel=1)
        return 0

    monkeypatch.setattr("rotary_mae.cli.parser.run", run)
    assert main([]) == 0
    assert capsys.readouterr().err == "romae: note: two lines\n"


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ValueError("one\ntwo"), 2, "romae: error: one two"),
        (FileNotFoundError(2, "No such file", "x.csv"), 2, "romae: error: No such file: x.csv"),
        (KeyboardInterrupt(), 130, "romae: interrupted: nothing was written"),
    ],
)
def test_errors_are_one_line_with_an_exit_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, line: str
) -> None:
    def run(_: list[str]) -> int:
        raise error

    monkeypatch.setattr("rotary_mae.cli.parser.run", run)
    assert main([]) == code
    assert capsys.readouterr().err == f"{line}\n"


@pytest.mark.parametrize("error", [TypeError("a bug"), BrokenPipeError()])
def test_bugs_and_closed_pipes_are_raised(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def run(_: list[str]) -> int:
        raise error

    monkeypatch.setattr("rotary_mae.cli.parser.run", run)
    with pytest.raises(type(error)):
        main([])


def test_debug_raises_errors(romae: Romae, files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="no column 'id'"):
        romae("pretrain", files.long_csv, "--out", tmp_path / "run", "--debug")
    monkeypatch.setenv("ROMAE_DEBUG", "1")
    with pytest.raises(ValueError, match="no column 'id'"):
        romae("pretrain", files.long_csv, "--out", tmp_path / "run")


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rotary_mae.cli", "info", "nothing.csv"], capture_output=True, text=True, env=ENVIRONMENT
    )
    assert done.returncode == 2
    assert done.stderr == "romae: error: there is no file nothing.csv\n"


def test_a_closed_pipe_is_no_error(files: Files) -> None:
    process = start("info", files.tokens_parquet)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(60) in (0, 1)
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_weights(files: Files, romae: Romae, whole: Path, tmp_path: Path) -> None:
    flags = [files.long_csv, *LONG, *SLOW]
    process = start("pretrain", *flags, "--out", tmp_path / "run")
    wait_for_steps(process, tmp_path / "run", 12)
    process.kill()
    assert process.wait(60) == -signal.SIGKILL
    process.communicate()
    state = json.loads((tmp_path / "run" / "last" / "training.json").read_text())
    assert not state["is_finished"]
    assert "not finished" in romae("info", tmp_path / "run").out
    # the unfinished run can be used
    assert romae("embed", tmp_path / "run", files.long_csv, "--out", tmp_path / "so-far.csv").code == 0
    result = romae("pretrain", files.long_csv, "--out", tmp_path / "run", "--resume")
    assert result.code == 0, result.err
    assert weights(tmp_path / "run") == weights(whole)
    losses = [
        [json.loads(line)["loss"] for line in (run / "metrics.jsonl").read_text().splitlines()]
        for run in (tmp_path / "run", whole)
    ]
    assert losses[0] == losses[1]
    assert len(losses[0]) > 12


@pytest.mark.slow
def test_a_run_killed_before_its_first_checkpoint_can_be_resumed(files: Files, romae: Romae, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = start("pretrain", files.long_csv, *LONG, *SLOW, "--out", out)
    end = time.monotonic() + 120
    while not (out / "command.yaml").exists() and time.monotonic() < end:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    result = romae("pretrain", files.long_csv, "--out", out, "--resume", "--epochs", "20")
    assert result.code == 0, result.err


@pytest.mark.slow
def test_an_interrupted_run_prints_how_to_resume(files: Files, romae: Romae, whole: Path, tmp_path: Path) -> None:
    flags = [files.long_csv, *LONG, *SLOW]
    process = start("pretrain", *flags, "--out", tmp_path / "run")
    wait_for_steps(process, tmp_path / "run", 6)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    last = err.splitlines()[-1]
    command = f"romae pretrain {files.long_csv} --out {tmp_path / 'run'} --resume"
    assert last == f"romae: interrupted: the state is saved in {tmp_path / 'run' / 'last'}; resume with: {command}"
    assert romae(*command.split()[1:]).code == 0
    assert weights(tmp_path / "run") == weights(whole)


@pytest.mark.slow
def test_an_interruption_while_reading_leaves_no_run(tmp_path: Path) -> None:
    fifo = tmp_path / "data.csv"
    os.mkfifo(fifo)
    process = start("pretrain", fifo, "--out", tmp_path / "run")
    descriptor = os.open(fifo, os.O_WRONLY)  # returns when the command has begun to read
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    os.close(descriptor)
    _, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    assert process.returncode in (2, 130)
    assert not (tmp_path / "run").exists(), err


LAUNCHERS = {
    # the command of docs/howto/many-processes.md, which may start a single process on a CPU
    "accelerate": [
        *("accelerate.commands.launch", "--cpu", "--num_processes=2", "--num_machines=1", "--mixed_precision=no"),
        *("--dynamo_backend=no", "--main_process_port=0"),
    ],
    "torchrun": ["torch.distributed.run", "--standalone", "--nproc_per_node=2"],
}


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_launcher_trains_one_run_and_one_process_prints(
    files: Files, romae: Romae, tmp_path: Path, launcher: str
) -> None:
    markers = tmp_path / "markers"
    markers.mkdir()
    launch = [sys.executable, "-m", *LAUNCHERS[launcher], "-m", "tests.cli.command_with_marker", markers]
    flags = ["pretrain", files.long_csv, *LONG, *SMALL, "--out", tmp_path / "run", "--device", "cpu"]
    done = subprocess.run(
        list(map(str, [*launch, *flags])), capture_output=True, text=True, env=ENVIRONMENT, cwd=ROOT, timeout=300
    )
    assert done.returncode == 0, done.stderr
    if launcher == "torchrun":
        assert sorted(path.name for path in markers.iterdir()) == ["rank-0", "rank-1"]
    assert done.stderr.count("24 samples") == 1
    assert "finished, 4 updates" in romae("info", tmp_path / "run").out
