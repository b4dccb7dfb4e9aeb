"""Plots show the observations and the predictions of the estimator."""

from typing import Any

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
import pytest

import rotary_mae as rm
from tests.estimators.small import COLUMNS, light_curves, quick

WIDE = {"id": "stay", "time": "when", "value": ["hr", "sbp"]}


@pytest.fixture(scope="module")
def interpolator() -> rm.RoMAEInterpolator:
    return rm.RoMAEInterpolator(**quick(columns=COLUMNS)).fit(light_curves())


def wide_frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    when = pd.Timestamp("2024-03-01") + pd.to_timedelta(rng.permutation(2_000)[:160], unit="min")
    frame = pd.DataFrame({"stay": np.repeat(np.arange(20), 8), "when": when, "hr": rng.normal(80, 5, 160)})
    return frame.assign(sbp=np.where(rng.random(160) < 0.8, rng.normal(120, 9, 160), np.nan))


def drawn(figure: Any, label: str) -> list[np.ndarray]:
    """Return the points (n, 2) with this label in each panel."""
    return [line.get_xydata() for panel in figure.axes for line in panel.lines if line.get_label() == label]


def test_plots_show_every_observation_and_the_predictions(interpolator: rm.RoMAEInterpolator) -> None:
    df = light_curves()
    figure = rm.plot_interpolation(interpolator, df, ids=["sn003", "sn000"], n_times=20)
    assert [panel.get_title() for panel in figure.axes] == ["sn003, g", "sn003, r", "sn000, g", "sn000, r"]
    for panel, observed in zip(figure.axes, drawn(figure, "observed"), strict=True):
        name, band = panel.get_title().split(", ")
        mine = df[(df["object_id"] == name) & (df["band"] == band)].sort_values("mjd")
        np.testing.assert_allclose(observed, mine[["mjd", "flux"]], rtol=1e-6)
    curve = drawn(figure, "RoMAE")[1]
    assert len(curve) == 20
    times = df[df["object_id"] == "sn003"]["mjd"]
    np.testing.assert_allclose(curve[[0, -1], 0], [times.min(), times.max()])
    at = pd.DataFrame({"object_id": "sn003", "mjd": curve[:, 0], "band": "r"})
    np.testing.assert_allclose(curve[:, 1], interpolator.predict(df, at, quantiles=[0.5])["q50"], rtol=1e-5)


def test_time_stamps_are_drawn_as_dates_and_gaps_left_out() -> None:
    df = wide_frame()
    interpolator = rm.RoMAEInterpolator(**quick(columns=WIDE, layout="steps")).fit(df)
    figure = rm.plot_interpolation(interpolator, df, channels=["sbp"])
    assert [panel.get_title() for panel in figure.axes] == ["0, sbp", "1, sbp", "2, sbp"]
    mine = df[(df["stay"] == 1) & df["sbp"].notna()].sort_values("when")
    observed = drawn(figure, "observed")[1]
    np.testing.assert_allclose(observed[:, 0], mdates.date2num(mine["when"]))
    np.testing.assert_allclose(observed[:, 1], mine["sbp"], rtol=1e-6)
    assert isinstance(figure.axes[0].xaxis.get_major_formatter(), mdates.ConciseDateFormatter)


def test_unknown_ids_channels_and_estimators_are_reported(interpolator: rm.RoMAEInterpolator) -> None:
    with pytest.raises(ValueError, match="no sample 'sn999'; the first ids are \\['sn000'"):
        rm.plot_interpolation(interpolator, light_curves(), ids=["sn999"])
    with pytest.raises(TypeError, match="expected a fitted RoMAEInterpolator, got RoMAEEmbedder"):
        rm.plot_interpolation(rm.RoMAEEmbedder(), light_curves())
    with pytest.raises(ValueError, match="no channel 'u'; there are g, r"):
        rm.plot_interpolation(interpolator, light_curves(), channels=["u"])
