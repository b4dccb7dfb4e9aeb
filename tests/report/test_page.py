"""The page is one safe file, whatever the names in the data are."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from rotary_mae.report import page as pages
from rotary_mae.report.page import Chart, Figure, Page, Section, write_page
from rotary_mae.report.sections import reconstruction_sections
from tests.report.held_out_examples import HOSTILE, interpolator_predictions


def written(path: Path, *sections: Section) -> str:
    write_page(path, Page("<title> & more", 'a "lead"', sections, notes=["</p><script>alert(1)</script>"]))
    return path.read_text()


def test_names_are_shown_and_not_executed(tmp_path: Path) -> None:
    text = written(tmp_path / "page.html", *reconstruction_sections(interpolator_predictions())[0])
    data = re.search(r'<script type="application/json" id="figures">(.*?)</script>', text, re.DOTALL)
    assert data is not None
    figures = json.loads(data[1])
    assert [chart["title"] for chart in figures["samples"]] == HOSTILE
    assert "<title>&lt;title&gt; &amp; more</title>" in text
    assert "window.hacked = 1</script>" not in text
    assert "<script>alert(1)" not in text


def test_the_page_loads_nothing(tmp_path: Path) -> None:
    text = written(tmp_path / "page.html", *reconstruction_sections(interpolator_predictions())[0])
    body = text[: text.index('<script type="application/json"')]
    assert not re.findall(r'(?:src|href)="(?!data:)', body)
    assert "default-src 'none'" in body
    assert list(tmp_path.iterdir()) == [tmp_path / "page.html"]


def test_nan_and_infinity_become_null(tmp_path: Path) -> None:
    chart = Chart([{"type": "scatter", "y": np.array([1.0, np.nan, np.inf]), "x": [1.23456789012, np.int64(2), 3]}], {})
    text = written(tmp_path / "page.html", Section("s", figures=[Figure("f", [chart])]))
    assert '"y": [1.0, null, null]' in text
    assert '"x": [1.2345679, 2, 3]' in text


def test_missing_plotly_is_reported_with_install_instructions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'rotary-mae\[report\]'"):
        write_page(tmp_path / "page.html", Page("t", "l", []))
    assert not (tmp_path / "page.html").exists()
