"""Charts are what Plotly takes, and show the numbers they were given."""

import json

import numpy as np
import plotly.graph_objects as go
import pytest
from scipy.stats import binomtest

from rotary_mae.report.charts import confusion_chart, map_chart, reliability_chart, wilson
from rotary_mae.report.object_charts import per_object_charts
from rotary_mae.report.page import Chart, as_json
from rotary_mae.report.sections import class_sections, curve_section, hidden_sections, map_section, number_sections
from tests.report.answers import CLASSES, HOSTILE, of_classes, of_numbers, of_series

HISTORY = [
    {"epoch": 1, "loss": 1.0},
    {"epoch": 2, "loss": 0.8, "validation_loss": 0.9, "validation_balanced_accuracy": 0.5},
    {"epoch": 3, "loss": 0.7, "validation_loss": 1.1, "validation_balanced_accuracy": 0.6},
]


def as_figure(chart: Chart) -> go.Figure:
    """Raises ValueError for a name or value that Plotly does not know."""
    text = json.dumps(as_json({"data": chart.traces, "layout": chart.layout}), allow_nan=False)
    for name in ("accent", "other", "ink", "soft", "card", "line", "paper", *(f"c{k}" for k in range(8))):
        for alpha in ("", "/0.35", "/0.7", "/0.6", "/0.16", "/0.28"):
            text = text.replace(f'"${name}{alpha}"', '"#123456"')
    return go.Figure(json.loads(text))


def every_chart() -> list[Chart]:
    sections = [
        *class_sections(of_classes())[0],
        *number_sections(of_numbers())[0],
        *hidden_sections(of_series())[0],
        *hidden_sections(of_series(has_curves=False))[0],
        curve_section({"training": HISTORY}),
        *filter(None, map(map_section, (of_classes(), of_numbers(), of_series()))),
    ]
    return [chart for section in sections for figure in section.figures for chart in figure.charts]


def test_plotly_knows_every_setting() -> None:
    charts = every_chart()
    assert len(charts) > 20
    for chart in charts:
        as_figure(chart)


def test_the_confusion_matrix_counts() -> None:
    chart = confusion_chart(np.array([0, 0, 1, 2, 2]), np.array([0, 1, 1, 2, 0]), CLASSES)
    (heat,) = chart.traces
    assert heat["customdata"].tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]
    np.testing.assert_allclose(heat["z"].sum(1), 1.0)


def test_reliability_is_on_the_diagonal_for_honest_chances() -> None:
    rng = np.random.default_rng(0)
    chance = rng.uniform(size=20_000)
    chart = reliability_chart(chance, (rng.uniform(size=20_000) < chance).astype(float), "stated")
    points = chart.traces[1]
    np.testing.assert_allclose(points["y"], points["x"], atol=0.03)
    too_sure = reliability_chart(chance, (rng.uniform(size=20_000) < chance / 2).astype(float), "stated").traces[1]
    assert (too_sure["y"][3:] < too_sure["x"][3:]).all()


def test_intervals_of_shares_are_those_of_wilson() -> None:
    for hits, n in ((0, 7), (3, 7), (49, 50)):
        expected = binomtest(hits, n).proportion_ci(method="wilson")
        low, high = wilson(np.array([hits / n]), np.array([n]))
        assert (low[0], high[0]) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_the_map_keeps_each_id_with_its_place_and_label() -> None:
    places = np.arange(12.0).reshape(6, 2)
    chart = map_chart(places, np.array([0.6, 0.2]), HOSTILE, ["b", "a", "b", "a", "b", "a"], "label")
    assert [trace["name"] for trace in chart.traces] == ["a", "b"]
    assert chart.traces[0]["x"].tolist() == [2.0, 6.0, 10.0]
    assert [text.partition("<br>")[0] for text in chart.traces[0]["text"]] == [
        '"quoted" &amp; &lt;b&gt;bold&lt;/b&gt;',
        "Ω Centauri, 星 42",
        "plain",
    ]


def test_an_object_is_drawn_with_what_was_seen_hidden_and_answered() -> None:
    charts = per_object_charts(of_series())
    assert [chart.title for chart in charts] == HOSTILE
    names = [trace["name"] for trace in charts[0].traces if trace["yaxis"] == "y2"]
    assert names == ["90 % band", "50 % band", "answer", "seen", "hidden"]
    assert charts[0].layout["yaxis2"]["title"]["text"] == "r &amp; &lt;i&gt;"
    without = [trace["name"] for trace in per_object_charts(of_series(has_curves=False))[0].traces]
    assert set(without) == {"seen", "hidden", "answer"}


def test_small_magnitudes_are_up() -> None:
    (chart, *_) = per_object_charts(of_series(), is_inverted=True)
    assert chart.layout["yaxis"]["autorange"] == "reversed"


def test_time_stamps_are_drawn_as_dates_and_durations_in_hours() -> None:
    stamped = per_object_charts(of_series(times="timestamp[us]"))[0].traces[2]["x"]
    assert stamped[:2] == ["2023-11-14T22:13:20", "2023-11-14T23:13:20"]
    spent = per_object_charts(of_series(times="duration[s]"))[0]
    assert np.diff(spent.traces[2]["x"]) == pytest.approx(np.ones(39))
    assert spent.layout["xaxis2"]["title"]["text"] == "time (hours)"
