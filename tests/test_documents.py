"""What README and docs say is true: their code runs, their tables are those of the results, the site builds."""

import inspect
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sybil import Document, Example
from sybil.parsers.myst import CodeBlockParser, PythonCodeBlockParser, SkipParser

import rotary_mae as rm
from rotary_mae import datasets
from rotary_mae.cli.parser import COMMANDS
from rotary_mae.models.config import SIZES, Size
from rotary_mae.training import train as loop
from rotary_mae.training.config import TrainingConfig

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.glob("*.md"), *DOCS.glob("howto/*.md")])

SMALL = "--size tiny-shallow --epochs 1 --model.width 24 --model.heads 2 --model.depth 1"
"""Added to a command that trains, so that a page takes seconds; what starts from another run has its size."""


def test_tables_are_those_of_the_committed_results() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.tables", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_links_and_pictures_are_there() -> None:
    for page in (*ROOT.glob("*.md"), *DOCS.rglob("*.md")):
        for link in re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"


def run_commands(example: Example) -> None:
    """The lines of a ``sh`` block, each a process of its own, as a reader would type them."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    for line in example.parsed.replace("\\\n", " ").strip().splitlines():
        trains = re.search(r"(romae|rotary_mae\.cli) (pretrain|classify|regress|fit-interpolator) ", line)
        small = "" if not trains else "--epochs 1" if "--init" in line or "--resume" in line else SMALL
        done = subprocess.run(
            f"{line} {small}", shell=True, env=environment, capture_output=True, text=True, check=False, timeout=240
        )
        assert done.returncode == 0, f"{example.path}: {line}\n{done.stdout}{done.stderr}"


def parsed(page: Path) -> Document:
    """The page with its ``python`` and ``sh`` blocks, but for those after a comment ``<!--- skip: next -->``."""
    return Document.parse(str(page), PythonCodeBlockParser(), CodeBlockParser("sh", run_commands), SkipParser())


WITH_CODE = [page for page in PAGES if re.search(r"^```(python|sh)$", page.read_text(), re.MULTILINE)]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every size tiny and every training one epoch, so that pages say what a reader should say and take seconds."""
    for size in SIZES:
        monkeypatch.setitem(SIZES, size, Size(width=24, heads=2, depth=1))

    def one_epoch(model: Any, tokens: Any, config: TrainingConfig, **given: Any) -> Any:
        return loop.train(model, tokens, replace(config, epochs=1), **given)

    for name, module in list(sys.modules.items()):
        if name.startswith("rotary_mae.estimators.") and getattr(module, "train", None) is loop.train:
            monkeypatch.setattr(module, "train", one_epoch)


@pytest.mark.slow
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs_from_top_to_bottom(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    examples = list(parsed(page))
    assert examples
    for example in examples:
        example.evaluate()


def test_code_is_in_blocks_that_are_run() -> None:
    languages = {"python", "sh", "yaml", "text", "mermaid", ""}
    for page in PAGES:
        fences = re.findall(r"^```([^`\n]*)$", page.read_text(), re.MULTILINE)
        odd = {fence for fence in fences if not fence.startswith("{")} - languages
        assert not odd, f"{page.name} has blocks of {odd}; write python or sh, which are run, or text"


def test_every_public_name_is_on_the_page_of_names() -> None:
    page = (DOCS / "api.md").read_text()
    shown = re.findall(r"auto(?:class|function|exception):: (\w+)$", page, re.MULTILINE)
    assert sorted(shown) == sorted({*rm.__all__, *datasets.__all__} - {"__version__"})


def test_every_command_is_named() -> None:
    commands = (DOCS / "commands.md").read_text()
    assert "{command-help}" in commands
    assert not [command for command in COMMANDS if f"romae {command}" not in commands]


def public_parts() -> list[tuple[str, object, str]]:
    """Name, object and the docstring that must explain its parameters, of public names and their public members."""
    found = []
    for name in sorted(set(rm.__all__) - {"__version__"}):
        thing = getattr(rm, name)
        found.append((name, thing, inspect.getdoc(thing) or ""))
        for member, value in inspect.getmembers(thing) if inspect.isclass(thing) else ():
            function = value.fget if isinstance(value, property) else value
            if not member.startswith("_") and (getattr(function, "__module__", None) or "").startswith("rotary_mae"):
                found.append((f"{name}.{member}", function, inspect.getdoc(function) or ""))
    return found


@pytest.mark.parametrize(("name", "thing", "doc"), [pytest.param(*part, id=part[0]) for part in public_parts()])
def test_every_public_name_and_parameter_is_explained(name: str, thing: object, doc: str) -> None:
    assert len(doc.strip()) > 20, f"{name} has no docstring"
    first = doc.strip().partition("\n\n")[0]
    assert first.rstrip().endswith((".", ":")), f"{name}: the first paragraph is a sentence"
    # X and y mean the same everywhere, and the estimators' own docstring says what
    if isinstance(thing, type) and issubclass(thing, Warning):
        return
    parameters = set(inspect.signature(thing).parameters) - {"self", "X", "y", "args", "kwargs"}  # type: ignore[arg-type]
    # what a member does with its only argument is its first sentence
    if "." in name and len(parameters) == 1:
        return
    missing = [parameter for parameter in parameters if not re.search(rf"\b{parameter}\b", doc)]
    assert not missing, f"{name} does not explain {missing}"


@pytest.mark.slow
def test_the_site_builds_without_warnings(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", str(DOCS), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    pages = {page.relative_to(DOCS).with_suffix(".html") for page in DOCS.rglob("*.md")}
    assert pages <= {page.relative_to(tmp_path) for page in tmp_path.rglob("*.html")}
    api = (tmp_path / "api.html").read_text()
    assert all(f'id="rotary_mae.{name}"' in api for name in set(rm.__all__) - {"__version__"})
    assert "romae-interpolate" in (tmp_path / "commands.html").read_text()
