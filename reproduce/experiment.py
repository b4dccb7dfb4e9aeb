"""Definition of an experiment.

A new experiment is a folder with an ``experiment.py`` that holds EXPERIMENT, and a name in NAMES.
"""

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
    """Settings and cost of an experiment.

    Attributes
    ----------
    settings : mapping
        Everything that can be chosen, as JSON can hold it; ``run.settings`` in a run.
    minutes : float
        Minutes that one seed takes on two CPU cores.
    memory_gib : float
        Memory that one seed takes, in GiB.
    needs : str
        Other requirements, such as "a GPU".
    """

    settings: Mapping[str, Any]
    minutes: float
    memory_gib: float
    needs: str = ""


@dataclass(frozen=True)
class Reference:
    """Published numbers of a dataset and metric. The table shows them beside methods whose name begins with RoMAE.

    Attributes
    ----------
    dataset, metric : str
        Names as in ``Measure``.
    published : float or None
        Number of the paper's model.
    best_other : float or None
        Best number of another model that the paper lists.
    best_name : str
        Name of that other model.
    """

    dataset: str
    metric: str
    published: float | None = None
    best_other: float | None = None
    best_name: str = ""


@dataclass(frozen=True)
class Measure:
    """One measured number.

    Attributes
    ----------
    dataset, metric, split : str
        Names in the table.
    value : float
        The number.
    method : str
        Name of the method in the table.
    n_parameters : int or None
        Number of parameters of the model.
    seconds : float or None
        Seconds of training.
    """

    dataset: str
    metric: str
    split: str
    value: float
    method: str = "RoMAE"
    n_parameters: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class StageResult:
    """Result of one stage of an experiment.

    Attributes
    ----------
    measures : sequence of Measure
        Numbers for the table.
    curves : mapping
        Data of the figures, as JSON can hold them.
    """

    measures: Sequence[Measure] = ()
    curves: Mapping[str, Any] = field(default_factory=dict)


Stage = Callable[[], StageResult]


@dataclass(frozen=True)
class Experiment:
    """A table or figure of the paper.

    Attributes
    ----------
    name, title, source : str
        Name of the folder, title of the section, and table or figure of the paper.
    profiles : mapping
        A Profile for each name in PROFILES.
    stages : callable
        Returns the named stages of a run. Each stage is run once; a run that was stopped resumes with the first stage
        that has no result. Stages share nothing but the files that ``run.train`` writes.
    trial : mapping
        Settings that make everything small, for a trial run of two updates.
    references : sequence of Reference
        Published numbers.
    protocol : str
        How it is measured and where that differs from the paper, in Markdown.
    validation_score : callable or None
        Trains with ``run.settings`` and returns the error on validation data and the number of parameters. Settings are
        selected by it (``python -m reproduce try``). None if there is nothing to select.
    evaluate_ensemble : callable or None
        Returns the rows of the ensemble of several runs whose models are trained (``python -m reproduce ensemble``).
        If a seed draws its own test data, there is one row for each draw.
    figures : callable or None
        Returns figures by file name, from all results of a profile (one dictionary for each seed).
    """

    name: str
    title: str
    source: str
    profiles: Mapping[str, Profile]
    stages: Callable[[Run], Mapping[str, Stage]]
    trial: Mapping[str, Any]
    references: Sequence[Reference]
    protocol: str
    validation_score: Callable[[Run], tuple[float, int]] | None = None
    evaluate_ensemble: Callable[[Sequence[Run]], StageResult] | None = None
    figures: Callable[[Sequence[Mapping[str, Any]]], Mapping[str, Figure]] | None = None


def load(name: str) -> Experiment:
    """Return the experiment of a name; raises ValueError if there is none."""
    if name not in NAMES:
        raise ValueError(f"there is no experiment {name!r}; there are {', '.join(NAMES)}")
    experiment: Experiment = import_module(f"reproduce.{name}.experiment").EXPERIMENT
    return experiment
