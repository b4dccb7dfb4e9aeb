"""One self-contained HTML page of texts, tables and interactive charts, which needs no network."""

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
class HeadlineNumber:
    """A number shown in large type at the top of the page.

    Attributes
    ----------
    value : str
        The number as text.
    name : str
        Name of the metric.
    note : str
        A small line below, such as the interval.
    """

    value: str
    name: str
    note: str = ""


@dataclass(frozen=True)
class Chart:
    """A Plotly chart as plain data.

    Attributes
    ----------
    traces : sequence of mapping
        Plotly traces. A colour ``$name`` or ``$name/0.2`` (with opacity) is a variable of page.css, which differs
        between the light and the dark theme.
    layout : mapping
        Plotly layout.
    title : str
        Entry of the list of charts, if a figure has several.
    """

    traces: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]
    title: str = ""


@dataclass(frozen=True)
class Figure:
    """A chart, or several to choose from, with a caption.

    Attributes
    ----------
    name : str
        Id of the HTML element, unique on the page.
    charts : sequence of Chart
        One chart, or several of which the reader sees one at a time.
    caption : str
        Text below.
    is_wide : bool
        True if the figure takes the full width.
    """

    name: str
    charts: Sequence[Chart]
    caption: str = ""
    is_wide: bool = False


@dataclass(frozen=True)
class Section:
    """A section of the page; its parts are shown in this order.

    Attributes
    ----------
    title : str
        Heading.
    texts : sequence of str
        Paragraphs.
    facts : mapping of str to str
        Short facts by name.
    table : sequence of rows
        A table whose first row is the header.
    figures : sequence of Figure
        The figures.
    details : mapping of str to rows
        Tables by name that the reader unfolds.
    """

    title: str
    texts: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    table: Sequence[Sequence[str]] = ()
    figures: Sequence[Figure] = ()
    details: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """The whole page.

    Attributes
    ----------
    title : str
        Heading and title of the document.
    lead : str
        First sentence.
    sections : sequence of Section
        The sections.
    numbers : sequence of HeadlineNumber
        Numbers at the top.
    notes : sequence of str
        Warnings at the top, such as what is missing.
    footer : str
        Last line.
    """

    title: str
    lead: str
    sections: Sequence[Section]
    numbers: Sequence[HeadlineNumber] = ()
    notes: Sequence[str] = ()
    footer: str = ""


def require_plotly() -> None:
    """Raise ValueError with install instructions if Plotly is missing; called before any work."""
    if find_spec("plotly") is None:
        raise ValueError("the report needs plotly, which is not installed: pip install 'rotary-mae[report]'")


def write_page(path: Path, page: Page) -> None:
    """Write a page as one HTML file.

    Parameters
    ----------
    path : Path
        File to write, completely or not at all.
    page : Page
        Content of the page.

    Raises
    ------
    ValueError
        If Plotly is not installed.
    """
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
    """Escape text for Plotly, which would interpret tags and entities."""
    return html.escape(str(text), quote=False)


def as_json(value: Any) -> Any:
    """Convert to what JSON can hold: arrays to lists, numbers to eight digits, NaN and infinity to null."""
    if isinstance(value, Mapping):
        return {str(k): as_json(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return as_json(value.tolist())
    if isinstance(value, list | tuple):
        return [as_json(v) for v in value]
    if isinstance(value, np.generic):
        return as_json(value.item())
    if isinstance(value, float):
        # more digits are float32 noise, and would be most of the page's size
        return float(f"{value:.8g}") if math.isfinite(value) else None
    return value
