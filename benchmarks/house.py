"""The structure of the package, drawn from its real imports: ``python -m benchmarks.house [--check]``.

The command fills the map in CONTRIBUTING.md: the packages in layers, what each imports, and the files that samples pass
through from ``RoMAEClassifier.fit`` to the first loss and through ``RoMAEInterpolator.predict``. With ``--check`` it
writes nothing and exits with 1 if the map is out of date.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import grimp

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "rotary_mae"
PAGE = ROOT / "CONTRIBUTING.md"
START, END = "<!-- map: python -m benchmarks.house -->", "<!-- end of map -->"

LAYERS = (
    "cli",
    "report",
    "estimators",
    "datasets",
    "training",
    "series_model",
    "models",
    "evaluation",
    "nn",
    "batches",
    "prior",
    "data",
)
"""Packages from the top layer to the lowest."""


# -- imports ------------------------------------------------------------------------------------------------


def package_imports() -> dict[str, list[str]]:
    """Return the packages that each package imports directly, both in the order of LAYERS."""
    graph = grimp.build_graph("rotary_mae", cache_dir=None)
    found: dict[str, set[str]] = {name: set() for name in LAYERS}
    for module in graph.modules:
        package = _package(module)
        if package in found:
            found[package] |= {_package(other) for other in graph.find_modules_directly_imported_by(module)} - {package}
    return {name: [other for other in LAYERS if other in imported] for name, imported in found.items()}


def _package(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def files_of(package: str) -> list[str]:
    """Return the files of a package without their suffix, those of a sub-package as ``folder/file``."""
    folder = SOURCE / package
    return sorted(
        path.relative_to(folder).with_suffix("").as_posix()
        for path in folder.rglob("*.py")
        if path.name != "__init__.py"
    )


def summary_of(package: str) -> str:
    """Return the docstring of a package, one line."""
    return (ast.get_docstring(ast.parse((SOURCE / package / "__init__.py").read_text())) or "").partition("\n")[0]


# -- the path of the data -------------------------------------------------------------------------------------


class _FirstLoss(BaseException):
    """Raised when the first loss has been computed."""


def fit_path() -> list[str]:
    """Return the files whose functions are given samples between ``RoMAEClassifier.fit`` and the first loss."""
    import rotary_mae as rm

    tokens = rm.simulate_light_curves(24, seed=0)
    classifier = rm.RoMAEClassifier(size="tiny-shallow", epochs=1, random_state=0)
    return _files_given_samples(lambda: classifier.fit(tokens), last="compute_loss")


def predict_path() -> list[str]:
    """Return the files whose functions are given samples in ``RoMAEInterpolator.predict``."""
    import numpy as np

    import rotary_mae as rm

    tokens = rm.simulate_light_curves(24, seed=0)
    interpolator = rm.RoMAEInterpolator(size="tiny-shallow", epochs=1, random_state=0).fit(tokens)
    queries = [np.array([[sample.positions[:, 0].mean(), 0.0]]) for sample in tokens[:3]]
    return _files_given_samples(lambda: interpolator.predict(tokens[:3], at=queries, return_std=True))


def _files_given_samples(call: Callable[[], Any], last: str | None = None) -> list[str]:
    """Files of the package, in the order of first use, with a function that is given a sample, a batch or its states.

    last: name of the function whose return ends the path.
    """
    found: dict[str, None] = {}

    def profile(frame: FrameType, event: str, _: Any) -> None:
        path = Path(frame.f_code.co_filename)
        if not path.is_relative_to(SOURCE):
            return
        code = frame.f_code
        if event == "return" and code.co_name == last:
            sys.setprofile(None)
            raise _FirstLoss
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        if event == "call" and any(_is_samples(frame.f_locals.get(name)) for name in names):
            found.setdefault(path.relative_to(SOURCE).as_posix())

    sys.setprofile(profile)
    try:
        call()
    except _FirstLoss:
        pass
    finally:
        sys.setprofile(None)
    return list(found)


def _is_samples(value: Any) -> bool:
    """Return True for sources, batches, and matrices of states; weights of the model are none of these."""
    from torch import Tensor, nn

    from rotary_mae.batches.batch import TokenBatch
    from rotary_mae.data.sources import Source

    if isinstance(value, Tensor):
        return value.is_floating_point() and value.ndim >= 2 and not isinstance(value, nn.Parameter)
    return isinstance(value, TokenBatch | Source)


# -- the page -------------------------------------------------------------------------------------------------


def draw() -> str:
    """Return the map as Markdown."""
    lines = []
    for package, imported in package_imports().items():
        arrow = f" Imports {', '.join(imported)}." if imported else ""
        lines.append(f"- **{package}/**: {summary_of(package)}{arrow}\\")
        lines.append(f"  {', '.join(files_of(package))}")
    paths = (("RoMAEClassifier.fit` to the first loss", fit_path()), ("RoMAEInterpolator.predict`", predict_path()))
    for name, files in paths:
        lines += ["", f"The path of the samples through `{name}, {len(files)} files:", "", f"{' → '.join(files)}."]
    return "\n".join(lines)


def main() -> int:
    """Write the map, or with ``--check`` compare it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the map is out of date")
    check = parser.parse_args().check
    text = PAGE.read_text()
    before, rest = text.split(START)
    _, after = rest.split(END)
    new = f"{before}{START}\n\n{draw()}\n\n{END}{after}"
    if check:
        if new != text:
            print(f"the map in {PAGE.name} is out of date; run python -m benchmarks.house", file=sys.stderr)
        return int(new != text)
    PAGE.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
