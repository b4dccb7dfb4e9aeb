"""Charts of single samples."""

import numpy as np
import pytest

from rotary_mae.report.object_charts import per_object_charts
from tests.report.held_out_examples import HOSTILE, interpolator_predictions


def test_a_sample_is_drawn_with_visible_values_masked_values_and_predictions() -> None:
    charts = per_object_charts(interpolator_predictions())
    assert [chart.title for chart in charts] == HOSTILE
    names = [trace["name"] for trace in charts[0].traces if trace["yaxis"] == "y2"]
    assert names == ["90 % interval", "50 % interval", "prediction", "visible", "masked"]
    assert charts[0].layout["yaxis2"]["title"]["text"] == "r &amp; &lt;i&gt;"
    without = [trace["name"] for trace in per_object_charts(interpolator_predictions(has_curves=False))[0].traces]
    assert set(without) == {"visible", "masked", "prediction"}


def test_an_inverted_axis_has_small_values_at_the_top() -> None:
    (chart, *_) = per_object_charts(interpolator_predictions(), is_inverted=True)
    assert chart.layout["yaxis"]["autorange"] == "reversed"


def test_time_stamps_are_drawn_as_dates_and_durations_in_hours() -> None:
    stamped = per_object_charts(interpolator_predictions(times="timestamp[us]"))[0].traces[2]["x"]
    assert stamped[:2] == ["2023-11-14T22:13:20", "2023-11-14T23:13:20"]
    durations = per_object_charts(interpolator_predictions(times="duration[s]"))[0]
    assert np.diff(durations.traces[2]["x"]) == pytest.approx(np.ones(39))
    assert durations.layout["xaxis2"]["title"]["text"] == "time (hours)"
