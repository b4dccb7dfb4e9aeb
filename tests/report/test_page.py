"""The page is one file, whatever people call their objects."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from rotary_mae.report import page as pages
from rotary_mae.report.page import Chart, Figure, Page, Section, write_page
from rotary_mae.report.sections import hidden_sections
from tests.report.answers import HOSTILE, of_series


def written(path: Path, *sections: Section) -> str:
    write_page(path, Page("<title> & more", 'a "lead"', sections, notes=["</p><script>alert(1)</script>"]))
    return path.read_text()


def test_names_are_shown_and_never_run(tmp_path: Path) -> None:
    text = written(tmp_path / "page.html", *hidden_sections(of_series())[0])
    data = re.search(r'<script type="application/json" id="figures">(.*?)</script>', text, re.DOTALL)
    assert data is not None
    figures = json.loads(data[1])
    assert [chart["title"] for chart in figures["leaves"]] == HOSTILE
    assert "<title>&lt;title&gt; &amp; more</title>" in text
    assert "window.hacked = 1</script>" not in text
    assert "<script>alert(1)" not in text


def test_nothing_is_fetched(tmp_path: Path) -> None:
    text = written(tmp_path / "page.html", *hidden_sections(of_series())[0])
    body = text[: text.index('<script type="application/json"')]
    assert not re.findall(r'(?:src|href)="(?!data:)', body)
    assert "default-src 'none'" in body
    assert list(tmp_path.iterdir()) == [tmp_path / "page.html"]


def test_what_is_not_a_number_is_null(tmp_path: Path) -> None:
    chart = Chart([{"type": "scatter", "y": np.array([1.0, np.nan, np.inf]), "x": [1.23456789012, np.int64(2), 3]}], {})
    text = written(tmp_path / "page.html", Section("s", figures=[Figure("f", [chart])]))
    assert '"y": [1.0, null, null]' in text
    assert '"x": [1.2345679, 2, 3]' in text


def test_without_plotly_the_way_to_get_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'rotary-mae\[report\]'"):
        write_page(tmp_path / "page.html", Page("t", "l", []))
    assert not (tmp_path / "page.html").exists()
