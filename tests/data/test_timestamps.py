"""Time stamps: seconds since 1970-01-01 UTC as positions, and the original types back."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from rotary_mae import from_arrays, from_frame
from rotary_mae.data.timestamps import as_positions, describe_time, from_seconds, localized, zone_of
from tests.data.examples import BACKENDS
from tests.data.same_tokens import assert_same

STAMPS = pd.to_datetime(["2024-03-01 12:00:00.000001", "2019-12-31 23:59:59", "1969-07-20 20:17:40.5"], format="mixed")


@pytest.mark.parametrize(
    "stamps",
    [
        STAMPS,
        STAMPS.as_unit("ns"),
        STAMPS.tz_localize("Europe/Vienna"),
        pd.Series(STAMPS.date),
        STAMPS - STAMPS[1],
    ],
    ids=["naive", "nanoseconds", "zone", "date", "duration"],
)
@pytest.mark.parametrize("backend", ["pandas", "polars", "pyarrow"])
def test_time_stamps_of_a_frame_become_seconds_and_are_restored(stamps: pd.Series, backend: str) -> None:
    df = BACKENDS[backend](pd.DataFrame({"id": 0, "time": stamps, "value": [1.0, 2.0, 3.0]}))
    tokens = from_frame(df)
    back = tokens.to_frame(backend)
    assert_same(from_frame(back), tokens)
    given_times = sorted(pa.table(df)["time"].to_pylist()) if backend != "pandas" else sorted(df["time"])
    found = pa.table(back)["time"].to_pylist() if backend != "pandas" else list(back["time"])
    assert found == given_times


def test_time_zones_do_not_change_positions() -> None:
    df = pd.DataFrame({"id": 0, "time": STAMPS.tz_localize("UTC"), "value": 1.0})
    naive = from_frame(df.assign(time=STAMPS))
    for times in (df["time"], df["time"].dt.tz_convert("Asia/Tokyo")):
        np.testing.assert_array_equal(from_frame(df.assign(time=times)).positions, naive.positions)
    assert naive.positions[-1, 0] == pytest.approx(STAMPS[0].timestamp(), abs=1e-6)


def test_error_messages_show_time_stamps_as_they_were_given() -> None:
    df = pd.DataFrame({"id": "a", "time": STAMPS[[0, 1, 1]], "value": 1.0})
    with pytest.raises(ValueError, match="id 'a' at time 2019-12-31 23:59:59 has 2 values of channel 'value'"):
        from_frame(df, duplicates="error")


ARRAY_STAMPS = {
    "numpy": lambda stamps: np.array(stamps, "datetime64[s]"),
    "days": lambda stamps: np.array(stamps, "datetime64[h]"),
    "pandas": pd.to_datetime,
    "pandas with a zone": lambda stamps: pd.to_datetime(stamps).tz_localize("UTC").tz_convert("America/Lima"),
    "python": lambda stamps: [datetime.fromisoformat(stamp).replace(tzinfo=UTC) for stamp in stamps],
}


@pytest.mark.parametrize("kind", ARRAY_STAMPS)
def test_time_stamps_of_arrays_become_seconds_and_are_restored(kind: str) -> None:
    times = ARRAY_STAMPS[kind](["2024-03-01T06:00", "2024-03-01T18:00", "2024-03-09T00:00"])
    for times_given in (times, [times]):
        tokens = from_arrays(np.ones((1, 2, 3)), times_given)
        assert (tokens.positions[:, 0] - tokens.positions[0, 0]).tolist() == [0, 43_200, 669_600]
        assert tokens.positions[0, 0] == 1_709_272_800
        assert tokens.to_frame("pandas")["time"].dt.hour.tolist()[:2] == ([1, 13] if "zone" in kind else [6, 18])


def test_time_stamps_may_be_missing_as_padding() -> None:
    stamps = np.array([["2024-03-01", "2024-03-02"], ["2024-03-05", "NaT"]], "datetime64[D]")
    tokens = from_arrays([[1.0, 2.0], [3.0, np.nan]], stamps)
    assert tokens.lengths.tolist() == [2, 1]
    with pytest.raises(ValueError, match="one type, got"):
        from_arrays([[1.0], [2.0]], [[1.0], stamps[0, :1]])


def test_masked_times_are_missing() -> None:
    X = np.arange(6.0).reshape(1, 1, 6)
    times = np.ma.masked_array(np.arange(6.0), [0, 0, 0, 0, 0, 1])
    for times_given in (times, np.ma.masked_array(times.data.astype("datetime64[D]"), times.mask)):
        with pytest.raises(ValueError, match="got nan in row 5 of id 0"):
            from_arrays(X, times_given)
        kept = from_arrays(np.where(times.mask, np.nan, X), times_given)
        assert kept.lengths.tolist() == [5]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (None, "86400.5"),
        ("timestamp[us]", "1970-01-02 00:00:00.500000"),
        ("timestamp[ns, tz=Asia/Tokyo]", "1970-01-02 09:00:00.500000+09:00"),
        ("duration[s]", "1 day, 0:00:00"),
        ("date32[day]", "1970-01-02"),
    ],
)
def test_a_position_is_described_as_the_user_wrote_it(kind: str | None, text: str) -> None:
    assert describe_time(86_400.5, kind) == text


def test_unknown_types_of_time_stamps_are_errors() -> None:
    with pytest.raises(ValueError, match="cannot restore time stamps of type 'fortnight'"):
        from_seconds(np.zeros(1), "fortnight")
    with pytest.raises(ValueError, match="times must be numbers or time stamps, got <U4, for example"):
        as_positions(["noon"], "times")


NAIVE, AWARE = pd.Timestamp("2024-01-01 08:00"), pd.Timestamp("2024-01-01 08:00", tz="America/New_York")


@pytest.mark.parametrize(
    "stamps", [[NAIVE, AWARE], [AWARE, NAIVE], [datetime(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC)]]
)
def test_time_stamps_with_and_without_a_zone_are_not_mixed(stamps: list[object]) -> None:
    frame = pd.DataFrame({"id": 0, "time": np.array(stamps, object), "value": [1.0, 2.0]})
    with pytest.raises(ValueError, match="column 'time' holds time stamps with and without a time zone"):
        from_frame(frame)
    with pytest.raises(ValueError, match="times of id 0 holds time stamps with and without a time zone"):
        from_arrays(np.ones((1, 1, 2)), times=np.array(stamps, object))


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow", "arrow in pandas"])
def test_the_zone_of_times_of_arrays_is_kept(library: str) -> None:
    zoned = pa.array([0, 10**6], pa.timestamp("us", "America/New_York"))
    times = {
        "pandas": zoned.to_pandas(),
        "polars": pl.from_arrow(zoned),
        "pyarrow": zoned,
        "arrow in pandas": pd.Series(zoned, dtype=pd.ArrowDtype(zoned.type)),
    }[library]
    positions, kind = as_positions(times, "times")
    assert positions.tolist() == [0.0, 1.0]
    assert kind is not None
    assert zone_of(kind) == "America/New_York"


def test_periods_are_refused_with_the_conversion_to_do() -> None:
    with pytest.raises(ValueError, match=r"got object, for example .*to_timestamp\(\)"):
        from_arrays(np.ones((1, 1, 2)), times=pd.period_range("2020-01", periods=2, freq="M"))


def test_naive_time_stamps_are_read_in_a_zone() -> None:
    naive = pa.array([NAIVE.to_pydatetime()])
    assert localized(naive, "America/New_York").cast(pa.int64()).to_pylist() == [AWARE.value // 1000]
    twice = pa.array([datetime(2024, 11, 3, 1, 30)])
    with pytest.raises(ValueError, match="cannot be read in the zone America/New_York"):
        localized(twice, "America/New_York")
    assert [zone_of(kind) for kind in ("timestamp[us]", "timestamp[us, tz=UTC]", "date32[day]", None)] == [
        None,
        "UTC",
        None,
        None,
    ]
