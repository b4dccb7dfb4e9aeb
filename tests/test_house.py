"""Style, types, layers and what the package does on import."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], ["lint-imports", "--no-cache"]],
    ids=lambda command: " ".join(command[:2]),
)
def test_style_types_and_layers(command: list[str]) -> None:
    done = subprocess.run([str(BIN / command[0]), *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_importing_loads_nothing() -> None:
    code = "import sys, rotary_mae; assert not {'torch', 'numpy', 'pyarrow'} & set(sys.modules), 'loaded too much'"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_is_there() -> None:
    import rotary_mae as rm

    for name in rm.__all__:
        assert getattr(rm, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = rm.nothing


def test_nothing_is_pickled() -> None:
    for path in (ROOT / "src").rglob("*.py"):
        text = path.read_text()
        assert "import pickle" not in text, path
        assert "torch.load(" not in text, path
        assert "torch.save(" not in text, path
        assert "allow_pickle=True" not in text, path


def test_experiments_and_examples_use_public_names_alone() -> None:
    for path in [*(ROOT / "reproduce").rglob("*.py"), *(ROOT / "examples").rglob("*.py")]:
        for line in path.read_text().splitlines():
            if line.startswith(("from rotary_mae.", "import rotary_mae.")):
                assert line.startswith("from rotary_mae.datasets"), f"{path}: {line}"
