"""Frames: any order of rows, any library, any layout means the same samples, and back again."""

import subprocess
import sys
import time
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotary_mae import from_frame
from rotary_mae.data.alignment import align
from tests.data.same_tokens import assert_same, by_id

LONG = {
    "id": "object_id",
    "time": "mjd",
    "channel": "band",
    "value": "flux",
    "error": "flux_err",
    "static": ["redshift"],
    "target": "class",
}


def light_curves(n_rows: int = 60, seed: int = 0) -> pd.DataFrame:
    """A long table with gaps, of objects that are named in no order."""
    rng = np.random.default_rng(seed)
    names = np.array(["c", "a", "d", "b"])
    objects = np.append(np.arange(4), rng.integers(0, 4, n_rows - 4))
    flux = rng.normal(size=n_rows)
    flux[rng.random(n_rows) < 0.1] = np.nan
    flux[:4] = 1.0
    return pd.DataFrame(
        {
            "object_id": names[objects],
            "mjd": 59000 + rng.permutation(n_rows) / 7,
            "band": rng.choice(["r", "g", "z", "i"], n_rows),
            "flux": flux,
            "flux_err": rng.uniform(0.1, 1, n_rows),
            "redshift": np.array([0.3, np.nan, 0.1, 2.0])[objects],
            "class": np.array(["SN", "AGN", "SN", "TDE"])[objects],
            "note": [None] * n_rows,
        }
    )


BACKENDS = {
    "pandas": lambda df: df,
    "pandas-arrow": lambda df: df.convert_dtypes(dtype_backend="pyarrow"),
    "polars": pl.from_pandas,
    "polars-lazy": lambda df: pl.from_pandas(df).lazy(),
    "pyarrow": pa.Table.from_pandas,
}


@pytest.mark.parametrize("backend", BACKENDS)
def test_row_order_and_library_change_nothing(backend: str) -> None:
    df = light_curves()
    shuffled = df.sample(frac=1, random_state=1)
    tokens = from_frame(BACKENDS[backend](shuffled), **LONG)
    assert tokens.ids.tolist() == shuffled["object_id"].unique().tolist()
    assert_same(by_id(tokens), by_id(from_frame(df, **LONG)))


def test_long_table_is_a_token_a_measurement() -> None:
    df = light_curves()
    tokens = from_frame(df, **LONG)
    assert (tokens.axes, tokens.channels) == (("time", "channel"), ("g", "i", "r", "z"))
    assert tokens.schema.roles == ("value", "error")
    assert tokens.n_tokens == df["flux"].notna().sum() + 3  # one redshift of four is unknown
    one = tokens[tokens.ids == "d"]
    rows = df[(df["object_id"] == "d") & df["flux"].notna()].sort_values("mjd")
    np.testing.assert_array_equal(one.positions[1:, 0], rows["mjd"])
    np.testing.assert_array_equal(one.values[1:], rows[["flux", "flux_err"]].to_numpy(np.float32))
    assert [tokens.channels[int(c)] for c in one.positions[1:, 1]] == rows["band"].tolist()
    assert one.targets is not None
    assert one.targets.tolist() == ["SN"]


def test_static_covariates_come_first_at_the_time_of_the_first_observation() -> None:
    tokens = from_frame(light_curves(), **LONG)
    assert tokens.schema.statics == ("redshift",)
    known = tokens[tokens.ids != "a"]
    first = known.starts
    np.testing.assert_array_equal(known.positions[first, 1], len(tokens.channels))
    np.testing.assert_array_equal(known.positions[first, 0], known.positions[first + 1, 0])
    np.testing.assert_array_equal(known.values[first], np.float32([[0.3, 0], [0.1, 0], [2.0, 0]]))
    assert not tokens[tokens.ids == "a"].is_static.any()


def test_integer_channels_are_sorted_as_numbers_and_categories_by_name() -> None:
    df = pd.DataFrame({"id": [1] * 4, "time": range(4), "channel": [10, 9, 2, 10], "value": 1.0})
    assert from_frame(df, channel="channel").channels == ("2", "9", "10")
    bands = pd.Categorical(["r", "g", "r", "g"], categories=["r", "u", "g"])
    categories = df.assign(channel=bands, id=pd.Categorical(["x", "y", "x", "y"]))
    tokens = from_frame(categories, channel="channel", target="id")
    assert tokens.channels == ("g", "r")
    assert tokens.ids.tolist() == ["x", "y"]
    assert_same(tokens, from_frame(pl.from_pandas(categories), channel="channel", target="id"))


def test_a_named_index_is_a_column() -> None:
    df = light_curves()
    assert_same(from_frame(df.set_index(["object_id", "mjd"]), **LONG), from_frame(df, **LONG))


def vitals() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": [2, 1, 1, 2, 1],
            "time": [0.5, 2.0, 1.0, 0.0, 3.0],
            "sbp": [120.0, np.nan, 110.0, 125.0, np.nan],
            "hr": [60.0, 70.0, np.nan, 61.0, np.nan],
            "age": [50, 40, 40, 50, 40],
        }
    )


def test_wide_table_is_a_token_a_step_with_flags_where_channels_are_missing() -> None:
    tokens = from_frame(vitals(), value=["sbp", "hr"], static="age")
    assert tokens.axes == ("time",)
    assert tokens.schema.roles == ("value", "value", "observed", "observed", "static")
    assert tokens.ids.tolist() == [2, 1]
    expected = [[125, 61, 1, 1, 50], [120, 60, 1, 1, 50], [110, 0, 1, 0, 40], [0, 70, 0, 1, 40]]
    np.testing.assert_array_equal(tokens.values, expected)
    complete = from_frame(vitals().dropna(), value=["sbp", "hr"])
    assert complete.schema.roles == ("value", "value")


@pytest.mark.parametrize("layout", ["measurements", "steps"])
def test_wide_and_long_tables_mean_the_same(layout: str) -> None:
    wide = vitals()
    long = wide.melt(["id", "time", "age"], ["sbp", "hr"], var_name="channel")
    a = from_frame(wide, value=["hr", "sbp"], static="age", layout=layout)
    b = from_frame(long, channel="channel", static="age", layout=layout)
    assert_same(a, b)


def test_errors_of_a_wide_table_go_with_their_values() -> None:
    wide = vitals().assign(sbp_err=2.0, hr_err=[1.0, 3.0, np.nan, 4.0, -1.0])
    tokens = from_frame(wide, value=["sbp", "hr"], error=["sbp_err", "hr_err"])
    assert tokens.schema.roles == ("value", "error")
    expected = [[125, 2], [61, 4], [120, 2], [60, 1], [110, 2], [70, 3]]
    np.testing.assert_array_equal(tokens.values, expected)


def test_auto_layout() -> None:
    sparse = pd.DataFrame({"id": 0, "time": range(3), "a": [1.0, None, None], "b": [None, 1.0, None]})
    sparse["c"] = [None, None, 1.0]
    one = pd.DataFrame({"id": 0, "time": range(3), "value": 1.0, "error": 1.0, "z": 1.0})
    assert from_frame(sparse, value=["a", "b", "c"]).schema.layout == "measurements"
    assert from_frame(sparse.loc[:1], value=["a", "b"]).schema.layout == "steps"
    assert from_frame(one).schema.layout == "steps"
    assert from_frame(one).channels == ("value",)
    assert from_frame(one, error="error").schema.layout == "measurements"
    assert from_frame(one, static="z").schema.layout == "measurements"


def test_rows_of_one_time_with_different_channels_are_one_step() -> None:
    split = pd.DataFrame({"id": 0, "time": [1, 0, 1], "a": [1.0, 3.0, None], "b": [None, 4.0, 2.0]})
    tokens = from_frame(split, value=["a", "b"])
    np.testing.assert_array_equal(tokens.values, [[3, 4], [1, 2]])


@pytest.mark.parametrize("layout", ["measurements", "steps"])
def test_duplicates_are_kept_or_averaged_on_request(layout: str) -> None:
    df = pd.DataFrame({"id": 0, "time": [1, 1, 0, 1], "channel": list("abab"), "value": [5.0, 2.0, 1.0, 4.0]})
    kw = {"channel": "channel", "layout": layout}
    kept = from_frame(df, **kw, duplicates="keep")
    assert_same(kept, from_frame(df[::-1], **kw, duplicates="keep"))
    assert kept.n_tokens == (4 if layout == "measurements" else 3)
    mean = from_frame(df, **kw, duplicates="mean")
    assert 3.0 in mean.values
    assert mean.n_tokens == (3 if layout == "measurements" else 2)
    told = "id 0 at time 1.* has 2 values of channel 'b', expected one .*duplicates='mean'"
    with pytest.warns(UserWarning, match=told):
        assert_same(from_frame(df, **kw), kept)
    with pytest.raises(ValueError, match=told):
        from_frame(df, **kw, duplicates="error")
    noisy = from_frame(df.assign(e=1.0), channel="channel", error="e", duplicates="mean")
    assert noisy.values[-1].tolist() == [3.0, np.float32(np.sqrt(0.5))]


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
def test_time_stamps_become_seconds_and_come_back(stamps: pd.Series, backend: str) -> None:
    df = BACKENDS[backend](pd.DataFrame({"id": 0, "time": stamps, "value": [1.0, 2.0, 3.0]}))
    tokens = from_frame(df)
    back = tokens.to_frame(backend)
    assert_same(from_frame(back), tokens)
    given_times = sorted(pa.table(df)["time"].to_pylist()) if backend != "pandas" else sorted(df["time"])
    found = pa.table(back)["time"].to_pylist() if backend != "pandas" else list(back["time"])
    assert found == given_times


def test_zones_are_the_same_moments() -> None:
    df = pd.DataFrame({"id": 0, "time": STAMPS.tz_localize("UTC"), "value": 1.0})
    naive = from_frame(df.assign(time=STAMPS))
    for times in (df["time"], df["time"].dt.tz_convert("Asia/Tokyo")):
        np.testing.assert_array_equal(from_frame(df.assign(time=times)).positions, naive.positions)
    assert naive.positions[-1, 0] == pytest.approx(STAMPS[0].timestamp(), abs=1e-6)


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    n = draw(st.integers(1, 30))
    numbers = st.floats(-1e6, 1e6, width=32)
    ids = draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))
    flux = draw(st.lists(numbers | st.just(np.nan), min_size=n, max_size=n))
    seen: set[int] = set()
    for i, name in enumerate(ids):  # each id has at least one observation
        flux[i] = 1.0 if name not in seen else flux[i]
        seen.add(name)
    frame = {
        "id": [f"n{i}" for i in ids],
        "time": draw(st.lists(numbers, min_size=n, max_size=n)),
        "channel": draw(st.lists(st.sampled_from("abc"), min_size=n, max_size=n)),
        "value": flux,
        "error": draw(st.lists(st.floats(0, 10, width=32), min_size=n, max_size=n)),
        "z": [[0.5, np.nan, 1.5, -2.0, 0.0][i] for i in ids],
        "target": [i % 2 for i in ids],
    }
    return pd.DataFrame(frame).drop_duplicates(["id", "time", "channel"])


@settings(max_examples=40, deadline=None)
@given(tables(), st.sampled_from(["pandas", "polars", "pyarrow"]))
def test_frame_round_trip_of_measurements(df: pd.DataFrame, backend: str) -> None:
    kw = {"channel": "channel", "error": "error", "static": "z", "target": "target"}
    tokens = from_frame(df, **kw)
    assert_same(from_frame(tokens.to_frame(backend), **kw), tokens)


@settings(max_examples=40, deadline=None)
@given(tables(), st.sampled_from(["pandas", "polars", "pyarrow"]))
def test_frame_round_trip_of_steps(df: pd.DataFrame, backend: str) -> None:
    tokens = from_frame(df.fillna({"z": 0.0}), channel="channel", static="z", layout="steps")
    back = tokens.to_frame(backend)
    assert_same(from_frame(back, value=tokens.channels, static="z", layout="steps"), tokens)


def test_several_targets_and_the_default_backend() -> None:
    df = vitals().dropna().assign(y=lambda d: d["age"] / 2)
    tokens = from_frame(df, value=["sbp"], target=["age", "y"])
    assert tokens.targets is not None
    np.testing.assert_array_equal(tokens.targets, [[50, 25]])
    back = tokens.to_frame()
    assert isinstance(back, pd.DataFrame)
    assert_same(from_frame(back, value="sbp", target=["target_0", "target_1"]), tokens)


def test_to_frame_says_what_it_cannot_do() -> None:
    tokens = from_frame(vitals().rename(columns={"hr": "id", "id": "stay"}), id="stay", value=["sbp", "id"])
    with pytest.raises(ValueError, match=r"columns \['id'\] would be there twice"):
        tokens.to_frame()
    with pytest.raises(ValueError, match="backend must be 'pandas', 'polars' or 'pyarrow', got 'excel'"):
        from_frame(light_curves(), **LONG).to_frame("excel")


def broken(**columns: object) -> pd.DataFrame:
    return light_curves().assign(**columns)


def at_row(column: str, row: int, value: object) -> pd.DataFrame:
    df = light_curves().astype({column: object})
    df.loc[row, column] = value
    return df.infer_objects()


BAD_FRAMES = {
    "unknown column": (
        light_curves().rename(columns={"flux": "fluxx"}),
        "no column 'flux'; did you mean 'fluxx'",
    ),
    "no rows": (light_curves()[:0], "no rows"),
    "no frame": (light_curves().to_numpy(), "got ndarray; arrays go to from_arrays"),
    "null time": (at_row("mjd", 1, None), "times must be finite .* got nan in row 1 of id 'a'"),
    "infinite time": (at_row("mjd", 1, np.inf), "times must be finite .* got inf in row 1 of id 'a'"),
    "text times": (broken(mjd="yesterday"), "time column 'mjd' holds text, for example 'yesterday'"),
    "text values": (broken(flux="1,5"), "column 'flux' must be numbers, got .*string, for example '1,5'"),
    "mixed values": (at_row("flux", 1, "n/a"), "not of one plain type"),
    "infinite value": (
        at_row("flux", 2, -np.inf),
        "each value must be finite .* got -inf for channel .* id 'd' at",
    ),
    "huge value": (at_row("flux", 2, 1e39), "each value must be finite in float32"),
    "negative error": (
        at_row("flux_err", 0, -1.0),
        "each error must be .* got -1.0 for channel .* of id 'c'",
    ),
    "missing error": (
        at_row("flux_err", 0, np.nan),
        "each error must be .* got nan for channel .* of id 'c'",
    ),
    "null id": (at_row("object_id", 3, None), "column 'object_id' is null in row 3"),
    "null channel": (at_row("band", 3, None), "channel column 'band' is null in row 3"),
    "changing label": (at_row("class", 0, "AGN"), "'class' must be constant within an id, .* within id 'c'"),
    "changing static": (
        at_row("redshift", 0, 9.0),
        "'redshift' must be constant within an id, .* within id 'c'",
    ),
    "infinite static": (
        broken(redshift=np.inf),
        "static column 'redshift' must be finite, got inf for id 'c'",
    ),
    "text static": (broken(redshift="near"), "column 'redshift' must be numbers"),
    "unobserved id": (
        broken(flux=lambda d: d["flux"].mask(d["object_id"] == "b")),
        "id 'b' has no observation",
    ),
}


@pytest.mark.parametrize("case", BAD_FRAMES)
def test_bad_frames_are_told_what_is_wrong(case: str) -> None:
    df, message = BAD_FRAMES[case]
    with pytest.raises(ValueError, match=message):
        from_frame(df, **LONG)


BAD_REQUESTS = {
    "errors in steps": ({"error": "flux_err", "layout": "steps"}, "errors need layout='measurements'"),
    "static missing in steps": ({"error": None, "layout": "steps"}, "'redshift' is missing for id 'a'"),
    "unknown layout": ({"layout": "grid"}, "layout must be one of .* got 'grid'"),
    "unknown duplicates": ({"duplicates": "drop"}, "duplicates must be one of .* got 'drop'"),
    "wide with channel": ({"value": ["flux", "mjd"]}, "leave channel out"),
    "numbered columns": ({"value": [0]}, r"columns are named by text, got \[0\]"),
    "no values": ({"value": []}, "at least one column"),
    "too many errors": ({"error": ["flux_err", "mjd"]}, "a column per value column, got 2 for 1"),
}


@pytest.mark.parametrize("case", BAD_REQUESTS)
def test_bad_requests_are_told_what_is_wrong(case: str) -> None:
    change, message = BAD_REQUESTS[case]
    df, request_ = light_curves(), {**LONG, **change}
    with pytest.raises(ValueError, match=message):
        from_frame(df, **request_)


def test_a_static_may_share_the_name_of_a_channel() -> None:
    df = light_curves().rename(columns={"redshift": "z"})
    tokens = from_frame(df, **{**LONG, "static": ["z"]})
    assert tokens.schema.statics == ("z",)
    assert "z" in tokens.channels
    assert align(from_frame(df, **{**LONG, "static": ["z"]}), tokens.schema).is_static.sum() == tokens.is_static.sum()


def test_messages_show_time_stamps_as_they_were_given() -> None:
    df = pd.DataFrame({"id": "a", "time": STAMPS[[0, 1, 1]], "value": 1.0})
    with pytest.raises(ValueError, match="id 'a' at time 2019-12-31 23:59:59 has 2 values of channel 'value'"):
        from_frame(df, duplicates="error")


def test_many_rows_take_no_loop() -> None:
    n_rows, n_ids = 400_000, 100_000
    rng = np.random.default_rng(0)
    ids = np.append(np.arange(n_ids), rng.integers(0, n_ids, n_rows - n_ids))
    table = pa.table(
        {
            "id": np.char.add("object ", ids.astype(str)),
            "time": rng.random(n_rows),
            "channel": np.array(["g", "r"])[rng.integers(0, 2, n_rows)],
            "value": rng.random(n_rows),
            "z": ids / 7,
            "target": ids % 3,
        }
    )
    start = time.perf_counter()
    tokens = from_frame(table, channel="channel", static="z", target="target")
    tokens.to_frame("pyarrow")
    assert time.perf_counter() - start < 10  # takes 0.5 s; a loop over the ids takes minutes
    assert tokens.n_tokens == n_rows + n_ids


WITHOUT_PANDAS = """
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, *rest):
        return None if name in ("pandas", "polars") else self.finder.find_spec(name, *rest)

sys.meta_path = [Without(finder) for finder in sys.meta_path]
import pyarrow
from rotary_mae import from_frame
frame = from_frame(pyarrow.table({"id": ["a", "a"], "time": [1, 2], "value": [0.5, None]})).to_frame()
assert isinstance(frame, pyarrow.Table) and frame.num_rows == 1
assert "torch" not in sys.modules
"""


def test_neither_pandas_nor_polars_nor_torch_is_needed() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_PANDAS], check=True)


@pytest.mark.parametrize(
    ("labels", "expected"), [(("x", None, "y"), ("x", None, "y")), ((1.5, None, 2.0), (1.5, np.nan, 2.0))]
)
def test_an_id_without_label_has_none(labels, expected):
    df = pd.DataFrame({"id": [0, 0, 1, 1, 2], "time": [1, 2, 1, 2, 1], "value": 1.0})
    df["label"] = pd.Series([labels[i] for i in df["id"]])
    targets = from_frame(df, target="label").targets
    assert len(targets) == 3
    np.testing.assert_array_equal(targets, np.array(expected, targets.dtype))


def test_whole_numbers_with_gaps_stay_whole():
    df = pl.DataFrame({"id": [0, 1, 2], "time": [1.0, 1.0, 1.0], "value": [1.0, 2.0, 3.0], "label": [7, None, -1]})
    assert from_frame(df, target="label").targets.tolist() == [7, None, -1]


def test_a_large_level_with_small_changes_is_warned_of() -> None:
    rng = np.random.default_rng(0)
    df = pd.DataFrame({"id": 0, "time": np.arange(20.0), "value": 1e9 + 10 * rng.normal(size=20)})
    with pytest.warns(UserWarning, match="channel 'value' lie about .*subtract a constant"):
        from_frame(df)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        from_frame(df.assign(value=df["value"] - 1e9))
        from_frame(df.assign(value=1e9))


def test_channels_that_are_numbers_are_called_the_same_with_and_without_gaps() -> None:
    df = pd.DataFrame({"id": 0, "time": np.arange(4.0), "channel": [10, 2, 10, 2], "value": 1.0})
    assert from_frame(df, channel="channel").channels == ("2", "10")
    gappy = pd.concat([df, pd.DataFrame({"id": [0], "time": [9.0], "value": [np.nan]})])
    assert gappy["channel"].dtype.kind == "f"
    assert from_frame(gappy, channel="channel").channels == ("2", "10")
