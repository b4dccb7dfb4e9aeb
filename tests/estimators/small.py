"""Small tables, arrays and estimators that tests of the estimators have in common."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

import rotary_mae as rm

MODEL: dict[str, Any] = {"width": 16, "heads": 2, "depth": 1, "decoder": {"width": 8, "heads": 2, "depth": 1}}
COLUMNS = {"id": "object_id", "time": "mjd", "channel": "band", "value": "flux", "target": "class"}


def quick(**changes: Any) -> dict[str, Any]:
    """Parameters of a tiny estimator on the CPU that repeats."""
    settings = {"epochs": 3, "learning_rate": 1e-2, "device": "cpu", "random_state": 0}
    return {"model": MODEL, **settings, **changes}


def light_curves(n: int = 24, *, seed: int = 0, bands: tuple[str, ...] = ("g", "r")) -> pd.DataFrame:
    """A long table: rising and falling objects of irregular times in several bands, a redshift, a class and a peak."""
    rng = np.random.default_rng(seed)
    parts = []
    for i in range(n):
        m = int(rng.integers(6, 12))
        time = np.sort(rng.uniform(0.0, 30.0, m))
        band = np.r_[list(bands), rng.choice(bands, m - len(bands))]
        sign = 1.0 if i % 2 else -1.0
        flux = 20.0 + sign * time + 3.0 * (band == bands[0]) + rng.normal(0, 0.3, m)
        parts.append(
            pd.DataFrame(
                {
                    "object_id": f"sn{i:03d}",
                    "mjd": 59_000.0 + time,
                    "band": band,
                    "flux": flux,
                    "z": 0.1 * i,
                    "class": "rises" if i % 2 else "falls",
                    "peak": sign * 10.0 + i,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def labels_of(df: pd.DataFrame, column: str = "class") -> pd.Series:
    """One label an object, keyed by its id."""
    return df.groupby("object_id")[column].first()


def series(n: int = 24, *, seed: int = 0, channels: int = 2, times: int = 9) -> tuple[np.ndarray, np.ndarray]:
    """X (n, channels, times) and names of two classes that differ in their slope."""
    rng = np.random.default_rng(seed)
    is_rising = np.arange(n) % 2 == 1
    slope = np.where(is_rising, 1.0, -1.0)[:, None, None]
    X = slope * np.linspace(-1, 1, times) + 0.1 * rng.normal(size=(n, channels, times))
    return X, np.where(is_rising, "rises", "falls")


def predictions(estimator: Any, data: Any) -> np.ndarray:
    """Predictions of any estimator for samples, as numbers."""
    if isinstance(estimator, rm.RoMAEEmbedder):
        return estimator.transform(data)
    if isinstance(estimator, rm.RoMAEClassifier):
        return estimator.predict_proba(data)
    if isinstance(estimator, rm.RoMAERegressor):
        return estimator.predict(data)
    predicted = estimator.predict(data, at=grid(data), return_std=True)
    return predicted[["value", "std"]].to_numpy()


def grid(df: pd.DataFrame) -> pd.DataFrame:
    """Queries of every object at a few times in band g."""
    ids = df["object_id"].drop_duplicates().sort_values()
    return pd.DataFrame(
        {"object_id": ids.repeat(3).to_numpy(), "mjd": np.tile([59_003.0, 59_011.5, 59_040.0], len(ids)), "band": "g"}
    )
