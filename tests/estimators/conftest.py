"""Fitted estimators, one of each kind, that tests only read."""

from typing import Any

import pytest

import rotary_mae as rm
from tests.estimators.small import COLUMNS, labels_of, light_curves, quick

KINDS = ("embedder", "classifier", "regressor", "interpolator")


@pytest.fixture(scope="session")
def fitted() -> dict[str, Any]:
    """By kind; all on the same long table."""
    df = light_curves()
    settings = quick(columns=COLUMNS)
    embedder = rm.RoMAEEmbedder(**settings).fit(df)
    return {
        "embedder": embedder,
        "classifier": rm.RoMAEClassifier(init=embedder, **{**settings, "epochs": 20}).fit(df),
        "regressor": rm.RoMAERegressor(**settings).fit(df, labels_of(df, "peak")),
        "interpolator": rm.RoMAEInterpolator(init=embedder, **{**settings, "epochs": 20}).fit(df),
    }


@pytest.fixture(params=KINDS)
def estimator(request: pytest.FixtureRequest, fitted: dict[str, Any]) -> Any:
    """Each of the four."""
    return fitted[request.param]
