"""What an experiment is. To add one: a folder with an ``experiment.py`` that holds EXPERIMENT, named in NAMES."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from reproduce.run import Run

NAMES = (
    "positions",
    "pendulum",
    "uea",
    "light_curves",
    "audio",
    "tinyimagenet",
    "spirals",
    "synthetic",
    "physionet",
    "frequencies",
    "speed",
    "ablations",
)
"""Folders of ``reproduce`` that hold an experiment, in the order of the table."""

PROFILES = ("quick", "paper")


@dataclass(frozen=True)
class Profile:
    """A way to run an experiment.

    settings: everything that can be chosen, as JSON can hold it; the run sees it as ``run.settings``.
    minutes, memory_gib: what one seed takes on two CPU cores. needs: anything else, such as "a GPU".
    """

    settings: Mapping[str, Any]
    minutes: float
    memory_gib: float
    needs: str = ""


@dataclass(frozen=True)
class Reference:
    """Published numbers for rows of this dataset and metric; they stand beside rows whose method begins with RoMAE.

    published: of the paper's model. best_other: the best of another model that the paper lists, and its name.
    """

    dataset: str
    metric: str
    published: float | None = None
    best_other: float | None = None
    best_name: str = ""


@dataclass(frozen=True)
class Measure:
    """One number: of a method, on a split of a dataset. seconds: of training and answering."""

    dataset: str
    metric: str
    split: str
    value: float
    method: str = "RoMAE"
    n_parameters: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class StageResult:
    """What a part of an experiment gives: numbers for the table, and ``curves`` as JSON can hold them for figures."""

    measures: Sequence[Measure] = ()
    curves: Mapping[str, Any] = field(default_factory=dict)


Stage = Callable[[], StageResult]


@dataclass(frozen=True)
class Experiment:
    """A table or figure of the paper.

    parts: gives the named parts of a run; each is done once, and a run that was killed goes on with the first that is
        not. Two parts must not depend on each other but through the files that ``run.train`` keeps.
    trial: settings that make everything small, for a run of two updates that only shows that all works.
    protocol: in Markdown, how it is measured and where that differs from the paper.
    validation_score: trains with ``run.settings`` and gives (error on validation data, parameters); choices are made by
        it (``python -m reproduce try``). None where there is nothing to choose.
    together: from the runs of several seeds, whose models are there, what these say as one (``python -m reproduce
        ensemble``); rows of their own. Where a seed draws test data anew, a row for each draw.
    figures: from all results of a profile (dictionaries, one a seed) to figures by file name, or None.
    """

    name: str
    title: str
    source: str
    profiles: Mapping[str, Profile]
    parts: Callable[[Run], Mapping[str, Stage]]
    trial: Mapping[str, Any]
    references: Sequence[Reference]
    protocol: str
    validation_score: Callable[[Run], tuple[float, int]] | None = None
    together: Callable[[Sequence[Run]], StageResult] | None = None
    figures: Callable[[Sequence[Mapping[str, Any]]], Mapping[str, Figure]] | None = None


def load(name: str) -> Experiment:
    """The experiment of that name; raises ValueError if there is none."""
    if name not in NAMES:
        raise ValueError(f"there is no experiment {name!r}; there are {', '.join(NAMES)}")
    experiment: Experiment = import_module(f"reproduce.{name}.experiment").EXPERIMENT
    return experiment
