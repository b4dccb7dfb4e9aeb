"""TokenSet.to_frame: the table that from_frame reads as the same tokens."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotary_mae import from_frame
from tests.data.examples import LONG, light_curves, vitals
from tests.data.same_tokens import assert_same


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Draw long tables in which every id has an observation."""
    n = draw(st.integers(1, 30))
    numbers = st.floats(-1e6, 1e6, width=32)
    ids = draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))
    flux = draw(st.lists(numbers | st.just(np.nan), min_size=n, max_size=n))
    observed: set[int] = set()
    for i, name in enumerate(ids):
        flux[i] = 1.0 if name not in observed else flux[i]
        observed.add(name)
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
def test_round_trip_of_measurements(df: pd.DataFrame, backend: str) -> None:
    kw = {"channel": "channel", "error": "error", "static": "z", "target": "target"}
    tokens = from_frame(df, **kw)
    assert_same(from_frame(tokens.to_frame(backend), **kw), tokens)


@settings(max_examples=40, deadline=None)
@given(tables(), st.sampled_from(["pandas", "polars", "pyarrow"]))
def test_round_trip_of_steps(df: pd.DataFrame, backend: str) -> None:
    tokens = from_frame(df.fillna({"z": 0.0}), channel="channel", static="z", layout="steps")
    back = tokens.to_frame(backend)
    assert_same(from_frame(back, value=tokens.channels, static="z", layout="steps"), tokens)


def test_several_targets_become_columns_of_the_default_backend() -> None:
    df = vitals().dropna().assign(y=lambda d: d["age"] / 2)
    tokens = from_frame(df, value=["sbp"], target=["age", "y"])
    assert tokens.targets is not None
    np.testing.assert_array_equal(tokens.targets, [[50, 25]])
    back = tokens.to_frame()
    assert isinstance(back, pd.DataFrame)
    assert_same(from_frame(back, value="sbp", target=["target_0", "target_1"]), tokens)


def test_columns_of_one_name_and_unknown_backends_are_errors() -> None:
    tokens = from_frame(vitals().rename(columns={"hr": "id", "id": "stay"}), id="stay", value=["sbp", "id"])
    with pytest.raises(ValueError, match=r"columns \['id'\] would be there twice"):
        tokens.to_frame()
    with pytest.raises(ValueError, match="backend must be 'pandas', 'polars' or 'pyarrow', got 'excel'"):
        from_frame(light_curves(), **LONG).to_frame("excel")


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
