"""Charts are valid for Plotly and show the numbers they were given."""

import json

import numpy as np
import plotly.graph_objects as go
import pytest
from scipy.stats import binomtest

from rotary_mae.report.charts import confusion_chart, embedding_chart, reliability_chart, wilson_interval
from rotary_mae.report.page import Chart, as_json
from rotary_mae.report.sections import (
    classification_sections,
    embedding_section,
    learning_curve_section,
    reconstruction_sections,
    regression_sections,
)
from tests.report.held_out_examples import (
    CLASSES,
    HOSTILE,
    classifier_predictions,
    interpolator_predictions,
    regressor_predictions,
)

HISTORY = [
    {"epoch": 1, "loss": 1.0},
    {"epoch": 2, "loss": 0.8, "validation_loss": 0.9, "validation_balanced_accuracy": 0.5},
    {"epoch": 3, "loss": 0.7, "validation_loss": 1.1, "validation_balanced_accuracy": 0.6},
]


def as_figure(chart: Chart) -> go.Figure:
    """Return a Plotly figure; raises ValueError for a name or value that is unknown to Plotly."""
    text = json.dumps(as_json({"data": chart.traces, "layout": chart.layout}), allow_nan=False)
    for name in ("accent", "other", "ink", "soft", "card", "line", "paper", *(f"c{k}" for k in range(8))):
        for alpha in ("", "/0.35", "/0.7", "/0.6", "/0.16", "/0.28"):
            text = text.replace(f'"${name}{alpha}"', '"#123456"')
    return go.Figure(json.loads(text))


def every_chart() -> list[Chart]:
    sections = [
        *classification_sections(classifier_predictions())[0],
        *regression_sections(regressor_predictions())[0],
        *reconstruction_sections(interpolator_predictions())[0],
        *reconstruction_sections(interpolator_predictions(has_curves=False))[0],
        learning_curve_section({"training": HISTORY}),
        *filter(
            None,
            map(embedding_section, (classifier_predictions(), regressor_predictions(), interpolator_predictions())),
        ),
    ]
    return [chart for section in sections for figure in section.figures for chart in figure.charts]


def test_every_chart_is_valid_for_plotly() -> None:
    charts = every_chart()
    assert len(charts) > 20
    for chart in charts:
        as_figure(chart)


def test_the_confusion_matrix_counts() -> None:
    chart = confusion_chart(np.array([0, 0, 1, 2, 2]), np.array([0, 1, 1, 2, 0]), CLASSES)
    (heat,) = chart.traces
    assert heat["customdata"].tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]
    np.testing.assert_allclose(heat["z"].sum(1), 1.0)


def test_reliability_is_on_the_diagonal_for_calibrated_probabilities() -> None:
    rng = np.random.default_rng(0)
    probability = rng.uniform(size=20_000)
    is_correct = (rng.uniform(size=20_000) < probability).astype(float)
    chart = reliability_chart(probability, is_correct, "probability")
    points = chart.traces[1]
    np.testing.assert_allclose(points["y"], points["x"], atol=0.03)
    is_correct = (rng.uniform(size=20_000) < probability / 2).astype(float)
    overconfident = reliability_chart(probability, is_correct, "probability").traces[1]
    assert (overconfident["y"][3:] < overconfident["x"][3:]).all()


def test_intervals_of_shares_are_those_of_wilson_interval() -> None:
    for hits, n in ((0, 7), (3, 7), (49, 50)):
        expected = binomtest(hits, n).proportion_ci(method="wilson")
        low, high = wilson_interval(np.array([hits / n]), np.array([n]))
        assert (low[0], high[0]) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_dots_of_the_map_have_their_own_id_and_label() -> None:
    vectors = np.arange(12.0).reshape(6, 2)
    chart = embedding_chart(vectors, np.array([0.6, 0.2]), HOSTILE, ["b", "a", "b", "a", "b", "a"], "label")
    assert [trace["name"] for trace in chart.traces] == ["a", "b"]
    assert chart.traces[0]["x"].tolist() == [2.0, 6.0, 10.0]
    assert [text.partition("<br>")[0] for text in chart.traces[0]["text"]] == [
        '"quoted" &amp; &lt;b&gt;bold&lt;/b&gt;',
        "Ω Centauri, 星 42",
        "plain",
    ]
