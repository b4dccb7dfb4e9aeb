"""README and docs are correct: code runs, tables agree with the results, docstrings are complete, the site builds."""

import inspect
import os
import re
import subprocess
import sys
from dataclasses import dataclass, is_dataclass, replace
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
"""Added to commands that train, so that a page takes seconds; a command with --init has the size of that run."""


def test_tables_agree_with_the_committed_results() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.tables", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_links_and_images_exist() -> None:
    for page in (*ROOT.glob("*.md"), *DOCS.rglob("*.md")):
        for link in re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"


def run_commands(example: Example) -> None:
    """Run the lines of a ``sh`` block, each in a process of its own."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    for line in example.parsed.replace("\\\n", " ").strip().splitlines():
        trains = re.search(r"(romae|rotary_mae\.cli) (pretrain|classify|regress|fit-interpolator) ", line)
        small = "" if not trains else "--epochs 1" if "--init" in line or "--resume" in line else SMALL
        done = subprocess.run(
            f"{line} {small}", shell=True, env=environment, capture_output=True, text=True, check=False, timeout=240
        )
        assert done.returncode == 0, f"{example.path}: {line}\n{done.stdout}{done.stderr}"


def parsed(page: Path) -> Document:
    """Return the ``python`` and ``sh`` blocks of a page, except for those after ``<!--- skip: next -->``."""
    return Document.parse(str(page), PythonCodeBlockParser(), CodeBlockParser("sh", run_commands), SkipParser())


WITH_CODE = [page for page in PAGES if re.search(r"^```(python|sh)$", page.read_text(), re.MULTILINE)]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every size small and every training one epoch, so that the code of the pages takes seconds."""
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
def test_code_of_a_page_runs_from_top_to_bottom(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    examples = list(parsed(page))
    assert examples
    for example in examples:
        example.evaluate()


def test_code_blocks_have_languages_that_are_run() -> None:
    languages = {"python", "sh", "yaml", "text", "mermaid", ""}
    for page in PAGES:
        fences = re.findall(r"^```([^`\n]*)$", page.read_text(), re.MULTILINE)
        unknown = {fence for fence in fences if not fence.startswith("{")} - languages
        assert not unknown, f"{page.name} has blocks of {unknown}; use python or sh, which are run, or text"


def test_every_public_name_is_on_the_api_page() -> None:
    page = (DOCS / "api.md").read_text()
    shown = re.findall(r"auto(?:class|function|exception):: (\w+)$", page, re.MULTILINE)
    assert sorted(shown) == sorted({*rm.__all__, *datasets.__all__} - {"__version__"})


def test_every_command_is_on_the_page_of_commands() -> None:
    commands = (DOCS / "commands.md").read_text()
    assert "{command-help}" in commands
    assert not [command for command in COMMANDS if f"romae {command}" not in commands]


# -- docstrings of public names ---------------------------------------------------------------------------------

SECTIONS = (
    "Parameters",
    "Attributes",
    "Returns",
    "Yields",
    "Raises",
    "Warns",
    "See Also",
    "Notes",
    "References",
    "Examples",
)
"""Sections of numpydoc in their order."""

ENTRIES = {"Parameters", "Attributes", "Returns", "Yields", "Raises", "Warns"}
"""Sections that consist of entries: an unindented line, and an indented description."""

VAGUE = re.compile(r"(What|How|Whether|Those|Of an?|Where|When|Which)\b")
"""Beginnings of sentences that are neither a noun phrase nor a verb."""


@dataclass(frozen=True)
class Docstring:
    """A parsed docstring.

    Attributes
    ----------
    summary : str
        First paragraph.
    sections : dict
        Lines of each section by title, in the order of the docstring.
    """

    summary: str
    sections: dict[str, list[str]]

    @classmethod
    def parse(cls, text: str) -> "Docstring":
        lines = text.splitlines()
        starts = [i for i in range(len(lines) - 1) if lines[i] and re.fullmatch(r"-{3,}", lines[i + 1])]
        ends = [*starts, len(lines)][1:]
        sections = {lines[i]: lines[i + 2 : end] for i, end in zip(starts, ends, strict=True)}
        for start in starts:
            assert len(lines[start + 1]) == len(lines[start]), f"the underline of {lines[start]!r} has another length"
            assert not lines[start - 1], f"no empty line before {lines[start]!r}"
        return cls(text.partition("\n\n")[0], sections)

    def entries(self, title: str) -> dict[str, str]:
        """Return the description of each entry of a section by the entry's first line."""
        found: dict[str, list[str]] = {}
        for line in self.sections.get(title, []):
            if line and not line.startswith(" "):
                assert line not in found, f"{title} has {line!r} twice"
                found[line] = []
            elif line:
                assert found, f"{title} begins with an indented line: {line!r}"
                list(found.values())[-1].append(line.strip())
        return {entry: " ".join(description) for entry, description in found.items()}

    def names(self, title: str) -> list[str]:
        """Return the names of the entries of a section; one entry may have several names."""
        return [
            name.strip().lstrip("*") for entry in self.entries(title) for name in entry.partition(" : ")[0].split(",")
        ]


@dataclass(frozen=True)
class PublicObject:
    """A public function, class, method or property.

    Attributes
    ----------
    name : str
        Name as users write it.
    value : object
        The function or class; the getter of a property.
    is_property : bool
        True for a property.
    """

    name: str
    value: Any
    is_property: bool = False

    @property
    def doc(self) -> Docstring:
        return Docstring.parse(inspect.getdoc(self.value) or "")

    @property
    def parameters(self) -> set[str]:
        """Names of the parameters that must be documented."""
        if self.is_property or (isinstance(self.value, type) and not has_constructor(self.value)):
            return set()
        return set(inspect.signature(self.value).parameters) - {"self"}

    @property
    def returns_something(self) -> bool:
        if self.is_property or isinstance(self.value, type):
            return False
        return inspect.signature(self.value).return_annotation not in (None, "None", inspect.Signature.empty)


def has_constructor(cls: type) -> bool:
    """Return False for exceptions, which take a message, and protocols, which are not constructed."""
    return not issubclass(cls, Exception) and not getattr(cls, "_is_protocol", False)


def public_objects() -> list[PublicObject]:
    """Return all names of the package and of datasets, and the public members of the classes."""
    found = []
    for module in (rm, datasets):
        for name in sorted(set(module.__all__) - {"__version__"}):
            value = getattr(module, name)
            found.append(PublicObject(name, value))
            fields = Docstring.parse(inspect.getdoc(value) or "").names("Attributes")
            for member, attribute in inspect.getmembers(value) if inspect.isclass(value) else ():
                if member in fields:
                    continue
                is_property = isinstance(attribute, property)
                function = attribute.fget if is_property else attribute
                is_own = (getattr(function, "__module__", None) or "").startswith("rotary_mae")
                if not member.startswith("_") and is_own and callable(function):
                    found.append(PublicObject(f"{name}.{member}", function, is_property))
    return found


PUBLIC = pytest.mark.parametrize("public", [pytest.param(one, id=one.name) for one in public_objects()])


@PUBLIC
def test_docstring_begins_with_a_sentence(public: PublicObject) -> None:
    summary = public.doc.summary
    # a property may begin with its shape
    assert re.match(r"[A-Z]|``|\([A-Z]\w*,", summary), f"{public.name} begins with {summary[:40]!r}"
    assert summary.rstrip().endswith("."), f"the first paragraph of {public.name} is not a sentence: {summary!r}"
    assert not VAGUE.match(summary), f"{public.name} begins with {summary[:40]!r}; begin with a noun or a verb"


@PUBLIC
def test_docstring_sections_are_those_of_numpydoc(public: PublicObject) -> None:
    doc = public.doc
    unknown = set(doc.sections) - set(SECTIONS)
    assert not unknown, f"{public.name} has the sections {unknown}; numpydoc has {', '.join(SECTIONS)}"
    assert list(doc.sections) == sorted(doc.sections, key=SECTIONS.index), (
        f"{public.name} has another order of sections"
    )
    assert not re.search(r"^(Args|Arguments|Returns|Raises|Yields):$", inspect.getdoc(public.value) or "", re.MULTILINE)
    for title in ENTRIES & set(doc.sections):
        entries = doc.entries(title)
        assert entries, f"{public.name} has an empty section {title}"
        for entry, description in entries.items():
            assert description or " : " in entry, f"{title} of {public.name}: {entry!r} has no description"
            if title in ("Parameters", "Attributes") and not description.startswith("See ``"):
                assert re.fullmatch(r"[\w*, ]+ : .+", entry), f"{title} of {public.name}: {entry!r} is not NAME : TYPE"
            if title == "Raises":
                assert re.fullmatch(r"\w+(, \w+)*", entry), f"Raises of {public.name}: {entry!r} is no exception"


@PUBLIC
def test_docstring_documents_exactly_the_parameters(public: PublicObject) -> None:
    doc, parameters = public.doc, public.parameters
    documented = doc.names("Parameters")
    # the fields of a dataclass are attributes as well, and may be listed as such
    if isinstance(public.value, type) and is_dataclass(public.value):
        documented += [name for name in doc.names("Attributes") if name in parameters]
    assert sorted(documented) == sorted(parameters), (
        f"{public.name} documents {sorted(set(documented) - parameters)} too many and "
        f"{sorted(parameters - set(documented))} too few"
    )


@PUBLIC
def test_docstring_documents_what_is_returned(public: PublicObject) -> None:
    if public.returns_something:
        sections = {"Returns", "Yields"} & set(public.doc.sections)
        assert sections, f"{public.name} returns something and has no section Returns"


def test_the_docstring_parser_reads_sections_and_entries() -> None:
    doc = Docstring.parse(
        "Return a sum.\n\nParameters\n----------\na, b : float\n    Summands.\n*others\n    More.\n\n"
        "Returns\n-------\nfloat\n    The sum."
    )
    assert doc.summary == "Return a sum."
    assert list(doc.sections) == ["Parameters", "Returns"]
    assert doc.names("Parameters") == ["a", "b", "others"]
    assert doc.entries("Returns") == {"float": "The sum."}
    with pytest.raises(AssertionError, match="another length"):
        Docstring.parse("Return a sum.\n\nReturns\n----\nfloat")


@pytest.mark.slow
def test_site_builds_without_warnings(tmp_path: Path) -> None:
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
