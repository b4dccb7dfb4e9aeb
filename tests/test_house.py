"""Style, types, structure of the package, and what importing it does."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import house

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "rotary_mae"
BIN = Path(sys.executable).parent

MIN_LINES, MAX_LINES = 60, 400

SHORT_FILES = {
    "_warnings.py",
    "batches/keyed_random.py",
    "datasets/audio_folder.py",
    "estimators/_fit/restore.py",
    "models/registry.py",
    "nn/init.py",
    "nn/kernel_cache.py",
    "nn/sinusoidal.py",
    "prior/__main__.py",
    "training/optimizer.py",
    "training/signals.py",
    "training/weight_averaging.py",
}
"""Files of fewer than MIN_LINES lines that are one concept that a reader looks for by name."""


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "command",
    [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], ["lint-imports", "--no-cache"]],
    ids=lambda command: " ".join(command[:2]),
)
def test_style_types_and_layers_are_clean(command: list[str]) -> None:
    done = subprocess.run([str(BIN / command[0]), *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# -- structure ------------------------------------------------------------------------------------------------


def test_a_file_is_one_concept_of_readable_length() -> None:
    lengths = {
        path.relative_to(SOURCE).as_posix(): len(path.read_text().splitlines())
        for path in SOURCE.rglob("*.py")
        if path.name != "__init__.py"
    }
    assert {name: n for name, n in lengths.items() if n > MAX_LINES} == {}
    assert {name for name, n in lengths.items() if n < MIN_LINES} == SHORT_FILES


def test_file_names_are_unique_or_mean_the_same() -> None:
    names = [path.name for path in SOURCE.rglob("*.py") if not path.name.startswith("__")]
    # what is the same concept in two packages: settings of a model and of a training; the table of held-out
    # predictions and the function that fills it; classes that are predicted and labels that are read
    same_concept = {"config.py", "held_out.py", "labels.py", "predict.py", "train.py", "ensemble.py"}
    assert {name for name in names if names.count(name) > 1} <= same_concept


def test_no_module_imports_a_private_name_of_another() -> None:
    found = []
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rotary_mae"):
                is_package = (ROOT / "src" / (node.module or "").replace(".", "/")).is_dir()
                private = [a.name for a in node.names if a.name.startswith("_") and not is_package]
                found += [f"{path.name}: {node.module}.{name}" for name in private]
    assert found == []


def test_the_map_in_contributing_is_true() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.house", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_samples_pass_through_few_files() -> None:
    assert len(house.fit_path()) <= 25
    assert len(house.predict_path()) <= 18


def test_reproduce_and_examples_use_public_names_alone() -> None:
    for path in [*(ROOT / "reproduce").rglob("*.py"), *(ROOT / "examples").rglob("*.py")]:
        for line in path.read_text().splitlines():
            if line.startswith(("from rotary_mae.", "import rotary_mae.")):
                assert line.startswith("from rotary_mae.datasets"), f"{path}: {line}"


def test_nothing_is_pickled() -> None:
    for path in SOURCE.rglob("*.py"):
        text = path.read_text()
        for forbidden in ("import pickle", "torch.load(", "torch.save(", "allow_pickle=True"):
            assert forbidden not in text, path


# -- what importing does --------------------------------------------------------------------------------------


def test_importing_the_package_loads_no_dependency() -> None:
    run_python("import sys, rotary_mae; assert not {'torch', 'numpy', 'pyarrow'} & set(sys.modules)")


def test_every_public_name_can_be_loaded() -> None:
    import rotary_mae as rm

    for name in rm.__all__:
        assert getattr(rm, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = rm.nothing


def test_importing_every_module_changes_no_global_state() -> None:
    modules = [
        ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)
        for path in sorted(SOURCE.rglob("*.py"))
        if path.name not in ("__init__.py", "__main__.py")
    ]
    code = f"""
import importlib, json, os, signal, sys
import torch, matplotlib, accelerate, sklearn, jsonargparse
def state():
    return {{
        "environment": dict(os.environ),
        "torch": [str(torch.get_default_dtype()), torch.is_grad_enabled(), torch.get_num_threads(),
                  torch.get_float32_matmul_precision(), torch.are_deterministic_algorithms_enabled(),
                  torch.initial_seed(), torch.backends.mkldnn.enabled],
        "signals": [str(signal.getsignal(s)) for s in (signal.SIGINT, signal.SIGTERM)],
        "backend": matplotlib.get_backend(),
        "recursion": sys.getrecursionlimit(),
    }}
before = state()
for name in {modules!r}:
    importlib.import_module(name)
after = state()
print(json.dumps({{k: [before[k], after[k]] for k in before if before[k] != after[k]}}))
"""
    assert json.loads(run_python(code)) == {}
