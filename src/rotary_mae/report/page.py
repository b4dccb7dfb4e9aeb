"""One self-contained HTML page: numbers, tables and pictures, no network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined


@dataclass(frozen=True)
class Number:
    """A number worth a glance, already written out, and what it is."""

    value: str
    name: str


@dataclass(frozen=True)
class Section:
    """A part of the page: paragraphs, a table (its first row the header) and a picture (a data address)."""

    title: str
    texts: Sequence[str] = ()
    table: Sequence[Sequence[str]] = ()
    picture: str = ""
    caption: str = ""


def write_page(
    path: Path, title: str, lead: str, numbers: Sequence[Number], sections: Sequence[Section], footer: str
) -> None:
    """Write the page, whole or not at all."""
    environment = Environment(
        loader=PackageLoader("rotary_mae", "report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    text = environment.get_template("page.html").render(
        title=title, lead=lead, numbers=numbers, sections=sections, footer=footer
    )
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
