"""Tables and token sets for several tests of this folder."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from hypothesis import strategies as st

from rotary_mae import from_arrays
from rotary_mae.data.schema import Schema
from rotary_mae.data.tokens import TokenSet

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
    """Return a long table with gaps, of objects whose names are in no order."""
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


def vitals() -> pd.DataFrame:
    """Return a wide table of two vital signs with gaps."""
    return pd.DataFrame(
        {
            "id": [2, 1, 1, 2, 1],
            "time": [0.5, 2.0, 1.0, 0.0, 3.0],
            "sbp": [120.0, np.nan, 110.0, 125.0, np.nan],
            "hr": [60.0, 70.0, np.nan, 61.0, np.nan],
            "age": [50, 40, 40, 50, 40],
        }
    )


def series(n: int = 7, seed: int = 0, names: str = "object {}") -> TokenSet:
    """Return n samples of different lengths with two channels, named ids and integer targets."""
    rng = np.random.default_rng(seed)
    X = [rng.normal(size=(2, rng.integers(1, 9))) for _ in range(n)]
    ids = np.array([names.format(i) for i in range(n)])
    return from_arrays(X, targets=rng.integers(0, 3, n), ids=ids)


@st.composite
def token_sets(draw: st.DrawFn) -> TokenSet:
    """Draw token sets with ids and targets of different types."""
    lengths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=6))
    seed, n, total = draw(st.integers(0, 99)), len(lengths), sum(lengths)
    rng = np.random.default_rng(seed)
    texts = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=n, max_size=n)
    targets = [None, rng.normal(size=(n, 3)), rng.integers(0, 9, n, dtype=np.int8), rng.random(n) > 0.5]
    return TokenSet(
        rng.normal(size=(total, 2)),
        np.column_stack([rng.normal(size=total) * 1e6, rng.integers(0, 3, total)]),
        lengths,
        ids=draw(st.just(np.arange(n)) | texts.map(lambda names: np.array(names, np.str_))),
        targets=draw(st.sampled_from(targets) | texts.map(lambda names: np.array(names, np.str_))),
        schema=Schema(("time", "channel"), ("é", "b"), ("value", "error"), ("z",), "timestamp[us, tz=UTC]"),
    )


class Bare:
    """A source with only a length and samples for an array of indices."""

    def __init__(self, tokens: TokenSet) -> None:
        self.tokens = tokens
        self.n_read = 0

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, indices: Any) -> TokenSet:
        assert isinstance(indices, np.ndarray)
        self.n_read += len(indices)
        return self.tokens[indices]
