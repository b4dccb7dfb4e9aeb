"""The command as people run it: in a process of its own, interrupted, killed, on several processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rotary_mae.cli.__main__ import main
from tests.cli.conftest import LONG, MODEL, SMALL, Files, Romae

ROMAE = Path(sys.executable).with_name("romae")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
# long enough to be stopped on the way, its state saved at the end of every epoch
SLOW = [*MODEL, "--epochs", "20", "--dropout", "0.1", "--training.save_seconds", "0"]


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(ROMAE), *map(str, arguments)], env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def wait_for_steps(process: subprocess.Popen[str], run: Path, n: int) -> int:
    """Wait until a state of at least n updates is saved; the number of updates."""
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
    """The run that was never stopped."""
    run = tmp_path_factory.mktemp("whole") / "run"
    assert main([str(a) for a in ("pretrain", files.long_csv, *LONG, *SLOW, "--out", run)]) == 0
    return run


def weights(run: Path) -> list[bytes]:
    return [(run / part / "model.safetensors").read_bytes() for part in ("last", "best")]


def test_help_is_quick_and_needs_no_torch() -> None:
    code = (
        "import sys; from rotary_mae.cli.__main__ import main\n"
        "for arguments in (['--help'], ['pretrain', '--help'], ['predict', '--help']):\n"
        "    try: main(arguments)\n"
        "    except SystemExit: pass\n"
        "assert 'torch' not in sys.modules and 'sklearn' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=ENVIRONMENT)
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        done = subprocess.run([ROMAE, "--help"], check=True, capture_output=True, text=True, env=ENVIRONMENT)
        seconds.append(time.perf_counter() - began)
        assert "pretrain" in done.stdout
    assert min(seconds) < 1.0


@pytest.mark.parametrize("given", [{}, {"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "7"}])
def test_threads_sleep_soon_unless_the_user_says_otherwise(given: dict[str, str]) -> None:
    code = (
        "import os, sys; from rotary_mae.cli.__main__ import script; sys.argv = ['romae', '--version']\n"
        "try: script()\n"
        "except SystemExit: print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules)"
    )
    kept = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env={**kept, **given}
    )
    expected = given.get("GOMP_SPINCOUNT", None if given else "10000")
    assert done.stdout.splitlines()[-1] == f"{expected} False"


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rotary_mae.cli", "info", "nothing.csv"], capture_output=True, text=True, env=ENVIRONMENT
    )
    assert done.returncode == 2
    assert done.stderr == "romae: error: there is no file nothing.csv\n"


def test_a_reader_that_goes_away(files: Files) -> None:
    process = start("info", files.tokens_parquet)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(60) in (0, 1)
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()


@pytest.mark.slow
def test_killed_and_resumed_is_as_if_never_stopped(files: Files, romae: Romae, whole: Path, tmp_path: Path) -> None:
    flags = [files.long_csv, *LONG, *SLOW]
    process = start("pretrain", *flags, "--out", tmp_path / "run")
    wait_for_steps(process, tmp_path / "run", 12)
    process.kill()
    assert process.wait(60) == -signal.SIGKILL
    process.communicate()
    state = json.loads((tmp_path / "run" / "last" / "training.json").read_text())
    assert not state["is_finished"]
    assert "not finished" in romae("info", tmp_path / "run").out
    # what is there so far can be used
    assert romae("embed", tmp_path / "run", files.long_csv, "--out", tmp_path / "so-far.csv").code == 0
    said = romae("pretrain", files.long_csv, "--out", tmp_path / "run", "--resume")
    assert said.code == 0, said.err
    assert weights(tmp_path / "run") == weights(whole)
    losses = [
        [json.loads(line)["loss"] for line in (run / "metrics.jsonl").read_text().splitlines()]
        for run in (tmp_path / "run", whole)
    ]
    assert losses[0] == losses[1]
    assert len(losses[0]) > 12


@pytest.mark.slow
def test_killed_before_anything_was_saved(files: Files, romae: Romae, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = start("pretrain", files.long_csv, *LONG, *SLOW, "--out", out)
    end = time.monotonic() + 120
    while not (out / "command.yaml").exists() and time.monotonic() < end:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    said = romae("pretrain", files.long_csv, "--out", out, "--resume", "--epochs", "20")
    assert said.code == 0, said.err


@pytest.mark.slow
def test_interrupted_says_how_to_go_on(files: Files, romae: Romae, whole: Path, tmp_path: Path) -> None:
    flags = [files.long_csv, *LONG, *SLOW]
    process = start("pretrain", *flags, "--out", tmp_path / "run")
    wait_for_steps(process, tmp_path / "run", 6)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    last = err.splitlines()[-1]
    command = f"romae pretrain {files.long_csv} --out {tmp_path / 'run'} --resume"
    assert last == f"romae: interrupted: the state is in {tmp_path / 'run' / 'last'}; go on with: {command}"
    assert romae(*command.split()[1:]).code == 0
    assert weights(tmp_path / "run") == weights(whole)


@pytest.mark.slow
def test_interrupted_while_reading(tmp_path: Path) -> None:
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


@pytest.mark.slow
def test_two_processes_train_one_run(files: Files, romae: Romae, tmp_path: Path) -> None:
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes=2", "--num_machines=1"]
    port = ["--mixed_precision=no", "--dynamo_backend=no", "--main_process_port=0", "-m", "rotary_mae.cli"]
    flags = ["pretrain", files.long_csv, *LONG, *SMALL, "--out", tmp_path / "run"]
    done = subprocess.run(
        list(map(str, [*launch, *port, *flags])), capture_output=True, text=True, env=ENVIRONMENT, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("24 samples") == 1
    assert "finished, 4 updates" in romae("info", tmp_path / "run").out
