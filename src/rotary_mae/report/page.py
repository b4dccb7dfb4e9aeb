"""One self-contained HTML page: words, numbers, tables and charts that answer to the mouse, no network."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from rotary_mae._atomic import replacing_file


@dataclass(frozen=True)
class Number:
    """A number worth a glance, already written out, what it is, and a word about it."""

    value: str
    name: str
    note: str = ""


@dataclass(frozen=True)
class Chart:
    """A chart of Plotly as plain data; a colour ``$name`` or ``$name/0.2`` is the page's, in light or in dark.

    title: what the list to choose from calls it, where a figure has several.
    """

    traces: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]
    title: str = ""


@dataclass(frozen=True)
class Figure:
    """A chart, or several to leaf through, and a sentence below. name: what the page's own addresses call it."""

    name: str
    charts: Sequence[Chart]
    caption: str = ""
    is_wide: bool = False


@dataclass(frozen=True)
class Section:
    """A part of the page: paragraphs, facts by name, a table (its first row the header), figures, tables to unfold."""

    title: str
    texts: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    table: Sequence[Sequence[str]] = ()
    figures: Sequence[Figure] = ()
    details: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """All of it. notes: what is missing or must be known first."""

    title: str
    lead: str
    sections: Sequence[Section]
    numbers: Sequence[Number] = ()
    notes: Sequence[str] = ()
    footer: str = ""


def require_plotly() -> None:
    """Raise ValueError that says how to install what the page needs; cheap, before any work."""
    if find_spec("plotly") is None:
        raise ValueError("the report needs plotly, which is not installed: pip install 'rotary-mae[report]'")


def write_page(path: Path, page: Page) -> None:
    """Write the page, whole or not at all."""
    require_plotly()
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=PackageLoader("rotary_mae", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    figures = {
        figure.name: [
            {"title": chart.title, "data": as_json(chart.traces), "layout": as_json(chart.layout)}
            for chart in figure.charts
        ]
        for section in page.sections
        for figure in section.figures
    }
    text = environment.get_template("page.html").render(page=page, figures=figures, plotly=get_plotlyjs())
    with replacing_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def plain(text: Any) -> str:
    """Text that Plotly shall show as it is: it reads tags and entities."""
    return html.escape(str(text), quote=False)


def as_json(value: Any) -> Any:
    """Arrays as lists, numbers to six digits, and null for what JSON has no number for."""
    if isinstance(value, Mapping):
        return {str(k): as_json(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return as_json(value.tolist())
    if isinstance(value, list | tuple):
        return [as_json(v) for v in value]
    if isinstance(value, np.generic):
        return as_json(value.item())
    if isinstance(value, float):
        # not the digits of float32 noise: they are most of a page's size
        return float(f"{value:.8g}") if math.isfinite(value) else None
    return value
