"""The picture of an interpolation shows what was observed and what the interpolator says."""

from typing import Any

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
import pytest

import rotary_mae as rm
from tests.estimators.small import COLUMNS, light_curves, quick

WIDE = {"id": "stay", "time": "when", "value": ["hr", "sbp"]}


@pytest.fixture(scope="module")
def of_curves() -> rm.RoMAEInterpolator:
    return rm.RoMAEInterpolator(**quick(columns=COLUMNS)).fit(light_curves())


def wide_frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    when = pd.Timestamp("2024-03-01") + pd.to_timedelta(rng.permutation(2_000)[:160], unit="min")
    frame = pd.DataFrame({"stay": np.repeat(np.arange(20), 8), "when": when, "hr": rng.normal(80, 5, 160)})
    return frame.assign(sbp=np.where(rng.random(160) < 0.8, rng.normal(120, 9, 160), np.nan))


def drawn(figure: Any, label: str) -> list[np.ndarray]:
    """(n, 2) points of the line with this label, a panel."""
    return [line.get_xydata() for panel in figure.axes for line in panel.lines if line.get_label() == label]


def test_every_observation_and_the_answers_between_them(of_curves: rm.RoMAEInterpolator) -> None:
    df = light_curves()
    figure = rm.plot_interpolation(of_curves, df, ids=["sn003", "sn000"], n_times=20)
    assert [panel.get_title() for panel in figure.axes] == ["sn003, g", "sn003, r", "sn000, g", "sn000, r"]
    for panel, seen in zip(figure.axes, drawn(figure, "seen"), strict=True):
        name, band = panel.get_title().split(", ")
        mine = df[(df["object_id"] == name) & (df["band"] == band)].sort_values("mjd")
        np.testing.assert_allclose(seen, mine[["mjd", "flux"]], rtol=1e-6)
    curve = drawn(figure, "RoMAE")[1]
    assert len(curve) == 20
    times = df[df["object_id"] == "sn003"]["mjd"]
    np.testing.assert_allclose(curve[[0, -1], 0], [times.min(), times.max()])
    at = pd.DataFrame({"object_id": "sn003", "mjd": curve[:, 0], "band": "r"})
    np.testing.assert_allclose(curve[:, 1], of_curves.predict(df, at, quantiles=[0.5])["q50"], rtol=1e-5)


def test_time_stamps_are_drawn_as_dates_and_gaps_left_out() -> None:
    df = wide_frame()
    interpolator = rm.RoMAEInterpolator(**quick(columns=WIDE, layout="steps")).fit(df)
    figure = rm.plot_interpolation(interpolator, df, channels=["sbp"])
    assert [panel.get_title() for panel in figure.axes] == ["0, sbp", "1, sbp", "2, sbp"]
    mine = df[(df["stay"] == 1) & df["sbp"].notna()].sort_values("when")
    seen = drawn(figure, "seen")[1]
    np.testing.assert_allclose(seen[:, 0], mdates.date2num(mine["when"]))
    np.testing.assert_allclose(seen[:, 1], mine["sbp"], rtol=1e-6)
    assert isinstance(figure.axes[0].xaxis.get_major_formatter(), mdates.ConciseDateFormatter)


def test_what_cannot_be_drawn(of_curves: rm.RoMAEInterpolator) -> None:
    with pytest.raises(ValueError, match="no sample 'sn999'; the ids begin with \\['sn000'"):
        rm.plot_interpolation(of_curves, light_curves(), ids=["sn999"])
    with pytest.raises(TypeError, match="expected a fitted RoMAEInterpolator, got RoMAEEmbedder"):
        rm.plot_interpolation(rm.RoMAEEmbedder(), light_curves())
    with pytest.raises(ValueError, match="no channel 'u'; there are g, r"):
        rm.plot_interpolation(of_curves, light_curves(), channels=["u"])
