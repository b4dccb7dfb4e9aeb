"""from_frame: row order, library and form of a table do not change the samples; bad tables are errors."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from rotary_mae import from_frame
from rotary_mae.data.alignment import align
from tests.builders import count_calls
from tests.data.examples import BACKENDS, LONG, light_curves, vitals
from tests.data.same_tokens import assert_same, by_id


@pytest.mark.parametrize("backend", BACKENDS)
def test_row_order_and_library_do_not_change_the_samples(backend: str) -> None:
    df = light_curves()
    shuffled = df.sample(frac=1, random_state=1)
    tokens = from_frame(BACKENDS[backend](shuffled), **LONG)
    assert tokens.ids.tolist() == shuffled["object_id"].unique().tolist()
    assert_same(by_id(tokens), by_id(from_frame(df, **LONG)))


def test_a_long_table_becomes_a_token_a_measurement() -> None:
    df = light_curves()
    tokens = from_frame(df, **LONG)
    assert (tokens.axes, tokens.channels) == (("time", "channel"), ("g", "i", "r", "z"))
    assert tokens.schema.roles == ("value", "error")
    assert tokens.n_tokens == df["flux"].notna().sum() + 3  # the redshift is known for three of four ids
    one = tokens[tokens.ids == "d"]
    rows = df[(df["object_id"] == "d") & df["flux"].notna()].sort_values("mjd")
    np.testing.assert_array_equal(one.positions[1:, 0], rows["mjd"])
    np.testing.assert_array_equal(one.values[1:], rows[["flux", "flux_err"]].to_numpy(np.float32))
    assert [tokens.channels[int(c)] for c in one.positions[1:, 1]] == rows["band"].tolist()
    assert one.targets is not None
    assert one.targets.tolist() == ["SN"]


def test_static_covariates_precede_the_first_observation_at_its_time() -> None:
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


def test_a_wide_table_becomes_a_token_a_step_with_observed_flags() -> None:
    tokens = from_frame(vitals(), value=["sbp", "hr"], static="age")
    assert tokens.axes == ("time",)
    assert tokens.schema.roles == ("value", "value", "observed", "observed", "static")
    assert tokens.ids.tolist() == [2, 1]
    expected = [[125, 61, 1, 1, 50], [120, 60, 1, 1, 50], [110, 0, 1, 0, 40], [0, 70, 0, 1, 40]]
    np.testing.assert_array_equal(tokens.values, expected)
    complete = from_frame(vitals().dropna(), value=["sbp", "hr"])
    assert complete.schema.roles == ("value", "value")


@pytest.mark.parametrize("layout", ["measurements", "steps"])
def test_wide_and_long_tables_become_the_same_tokens(layout: str) -> None:
    wide = vitals()
    long = wide.melt(["id", "time", "age"], ["sbp", "hr"], var_name="channel")
    a = from_frame(wide, value=["hr", "sbp"], static="age", layout=layout)
    b = from_frame(long, channel="channel", static="age", layout=layout)
    assert_same(a, b)


def test_errors_of_a_wide_table_stay_with_their_values() -> None:
    wide = vitals().assign(sbp_err=2.0, hr_err=[1.0, 3.0, np.nan, 4.0, -1.0])
    tokens = from_frame(wide, value=["sbp", "hr"], error=["sbp_err", "hr_err"])
    assert tokens.schema.roles == ("value", "error")
    expected = [[125, 2], [61, 4], [120, 2], [60, 1], [110, 2], [70, 3]]
    np.testing.assert_array_equal(tokens.values, expected)


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
    "mixed values": (at_row("flux", 1, "n/a"), "entries of several types"),
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
def test_bad_frames_are_errors_that_name_the_problem(case: str) -> None:
    df, message = BAD_FRAMES[case]
    with pytest.raises(ValueError, match=message):
        from_frame(df, **LONG)


BAD_ARGUMENTS = {
    "errors in steps": ({"error": "flux_err", "layout": "steps"}, "errors need layout='measurements'"),
    "static missing in steps": ({"error": None, "layout": "steps"}, "'redshift' is missing for id 'a'"),
    "unknown layout": ({"layout": "grid"}, "layout must be one of .* got 'grid'"),
    "unknown duplicates": ({"duplicates": "drop"}, "duplicates must be one of .* got 'drop'"),
    "wide with channel": ({"value": ["flux", "mjd"]}, "leave channel out"),
    "numbered columns": ({"value": [0]}, r"column names must be text, got \[0\]"),
    "no values": ({"value": []}, "at least one column"),
    "too many errors": ({"error": ["flux_err", "mjd"]}, "a column per value column, got 2 for 1"),
}


@pytest.mark.parametrize("case", BAD_ARGUMENTS)
def test_bad_arguments_are_errors_that_name_the_problem(case: str) -> None:
    change, message = BAD_ARGUMENTS[case]
    df, arguments = light_curves(), {**LONG, **change}
    with pytest.raises(ValueError, match=message):
        from_frame(df, **arguments)


def test_a_static_covariate_may_share_the_name_of_a_channel() -> None:
    df = light_curves().rename(columns={"redshift": "z"})
    tokens = from_frame(df, **{**LONG, "static": ["z"]})
    assert tokens.schema.statics == ("z",)
    assert "z" in tokens.channels
    assert align(from_frame(df, **{**LONG, "static": ["z"]}), tokens.schema).is_static.sum() == tokens.is_static.sum()


@pytest.mark.parametrize(
    ("labels", "expected"), [(("x", None, "y"), ("x", None, "y")), ((1.5, None, 2.0), (1.5, np.nan, 2.0))]
)
def test_the_target_of_an_id_without_label_is_missing(labels, expected):
    df = pd.DataFrame({"id": [0, 0, 1, 1, 2], "time": [1, 2, 1, 2, 1], "value": 1.0})
    df["label"] = pd.Series([labels[i] for i in df["id"]])
    targets = from_frame(df, target="label").targets
    assert len(targets) == 3
    np.testing.assert_array_equal(targets, np.array(expected, targets.dtype))


def test_whole_number_labels_with_gaps_stay_whole():
    df = pl.DataFrame({"id": [0, 1, 2], "time": [1.0, 1.0, 1.0], "value": [1.0, 2.0, 3.0], "label": [7, None, -1]})
    assert from_frame(df, target="label").targets.tolist() == [7, None, -1]


def test_names_of_numeric_channels_do_not_depend_on_gaps() -> None:
    df = pd.DataFrame({"id": 0, "time": np.arange(4.0), "channel": [10, 2, 10, 2], "value": 1.0})
    assert from_frame(df, channel="channel").channels == ("2", "10")
    gappy = pd.concat([df, pd.DataFrame({"id": [0], "time": [9.0], "value": [np.nan]})])
    assert gappy["channel"].dtype.kind == "f"
    assert from_frame(gappy, channel="channel").channels == ("2", "10")


def test_work_outside_of_arrays_does_not_grow_with_the_number_of_ids() -> None:
    def n_calls(n_ids: int) -> int:
        ids = np.repeat(np.arange(n_ids), 4)
        table = pa.table(
            {
                "id": np.char.add("object ", ids.astype(str)),
                "time": np.tile([3.0, 1.0, 2.0, 4.0], n_ids),
                "channel": np.tile(["g", "r", "r", "g"], n_ids),
                "value": np.ones(4 * n_ids),
                "z": ids / 7,
                "target": ids % 3,
            }
        )
        return count_calls(
            lambda: from_frame(table, channel="channel", static="z", target="target").to_frame("pyarrow")
        )

    n_calls(10)  # imports
    assert n_calls(5_000) < n_calls(100) + 100


@pytest.mark.parametrize("layout", ["steps", "measurements"])
def test_tokens_do_not_change_with_the_table_they_were_made_from(layout: str) -> None:
    columns = {"id": [1, 1, 2], "time": [10.0, 11.0, 12.0], "value": [1.0, 2.0, 3.0], "age": [5.0, 5.0, 6.0]}
    arrays = {name: np.array(column) for name, column in columns.items()}
    for frame in (pa.table(arrays), pl.DataFrame(arrays), pd.DataFrame(arrays, copy=False)):
        tokens = from_frame(frame, static="age", target="age", layout=layout)
        positions, values, targets = tokens.positions.copy(), tokens.values.copy(), tokens.targets.copy()
        for array in arrays.values():
            array += 1
        np.testing.assert_array_equal(tokens.positions, positions)
        np.testing.assert_array_equal(tokens.values, values)
        np.testing.assert_array_equal(tokens.targets, targets)
        assert tokens.ids.tolist() != arrays["id"][[0, 2]].tolist()
