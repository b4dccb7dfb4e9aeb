"""Summary: numbers of a set of samples in words."""

import numpy as np
import pandas as pd
import pytest

import rotary_mae as rm
from rotary_mae.data import summary
from rotary_mae.data.sources import adapt_source
from rotary_mae.data.summary import observed_values, summarise
from tests.data.examples import Bare


def readings() -> rm.TokenSet:
    """Two channels of two stays; one cell of six is missing."""
    frame = pd.DataFrame(
        {
            "id": ["a", "a", "a", "b"],
            "time": [0.0, 2.0, 4.0, 1.0],
            "hr": [60.0, 70.0, 80.0, np.nan],
            "sbp": [120.0, np.nan, 110.0, 130.0],
            "kind": ["x", "x", "x", "y"],
        }
    )
    return rm.from_frame(frame, value=["hr", "sbp"], target="kind")


def test_numbers_of_steps() -> None:
    found = summarise(readings())
    assert (found.n_samples, found.n_tokens, found.lengths) == (2, 4, (1, 2.0, 3))
    assert (found.layout, found.axes, found.has_error) == ("steps", ("time",), False)
    assert found.span == ("0.0", "4.0")
    assert found.spacing == 2.0
    assert found.missing_fraction == pytest.approx(2 / 8)
    hr, sbp = found.channels
    assert (hr.name, hr.n_samples, hr.n_values, hr.low, hr.median, hr.high) == ("hr", 1, 3, 60, 70, 80)
    assert (sbp.n_samples, sbp.n_values) == (2, 3)
    assert found.targets == "2 values: x 1, y 1"


def test_measurements_and_steps_have_the_same_values() -> None:
    wide, long = observed_values(readings()), observed_values(rm.from_frame(readings().to_frame(), value=["hr", "sbp"]))
    for one, other in zip(wide, long, strict=True):
        np.testing.assert_array_equal(one, other)
    measured = rm.from_arrays(np.array([[[1.0, np.nan], [3.0, 4.0]]]), layout="measurements")
    sample, time, channel, value = observed_values(measured)
    assert sample.tolist() == [0, 0, 0]
    assert time.tolist() == [0, 0, 1]
    assert channel.tolist() == [0, 1, 1]
    assert value.tolist() == [1, 3, 4]


def test_lines_name_what_there_is() -> None:
    lines = summarise(readings()).lines()
    assert lines["tokens"] == "4; 1 to 3 a sample, median 2"
    assert lines["time"] == "0.0 to 4.0"
    assert lines["typical spacing"] == "2"
    assert lines["missing"] == "25.0 % of the cells (time, channel)"
    assert "static" not in lines
    images = summarise(rm.from_images(np.zeros((2, 4, 4)), (2, 2))).lines()
    assert "time" not in images
    assert images["targets"] == "none"


def test_time_stamps_are_shown_as_time_stamps() -> None:
    frame = pd.DataFrame({"id": 0, "time": pd.to_datetime(["2024-01-01", "2024-01-02"]), "value": [1.0, 2.0]})
    lines = summarise(rm.from_frame(frame)).lines()
    assert lines["time"] == "2024-01-01 00:00:00 to 2024-01-02 00:00:00"
    assert lines["typical spacing"] == "8.64e+04 s"


def test_a_large_source_is_summarised_by_some_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary, "MAX_SAMPLES", 5)
    tokens = rm.from_arrays(np.ones((20, 1, 3)))
    found = summarise(tokens)
    assert (found.n_samples, found.n_summarised, found.n_tokens) == (20, 5, 60)
    assert "5 of them" in found.lines()["samples"]
    bare = adapt_source(Bare(tokens))
    assert bare is not None
    assert summarise(bare).n_tokens == 15


@pytest.mark.parametrize(
    ("targets", "text"),
    [
        (np.array([1.5, np.nan]), "numbers from 1.5 to 1.5; 1 unlabelled"),
        (np.array([None, None], object), "none, 2 unlabelled"),
        (np.array([[1.0, 2.0], [3.0, 4.0]]), "numbers from 1 to 4"),
        (np.array([3, 3]), "1 values: 3 2"),
    ],
)
def test_targets_are_described(targets: np.ndarray, text: str) -> None:
    assert summarise(rm.from_arrays(np.ones((2, 1, 3)), targets=targets)).targets == text
