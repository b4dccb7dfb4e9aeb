"""Times that differ but are equal for the model are named at fit and at prediction."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest

import rotary_mae as rm
from tests.estimators.small import MODEL, quick

MATCH = r"1[59] times of measurements differ from the one before, .* sample 'late'.* split samples at long gaps"

KINDS = [rm.RoMAEEmbedder, rm.RoMAEClassifier, rm.RoMAERegressor, rm.RoMAEInterpolator]


def frame(late=1e10):
    """Six regular samples, and one whose last 20 measurements, a unit apart, are ``late``."""
    rng = np.random.default_rng(0)
    parts = [("late", np.r_[0.0, 1.0, late + np.arange(20.0)])] + [(f"s{i}", np.arange(12.0)) for i in range(6)]
    return pd.concat(
        [
            pd.DataFrame({"id": name, "time": times, "value": rng.normal(size=len(times)), "target": float(i % 2)})
            for i, (name, times) in enumerate(parts)
        ],
        ignore_index=True,
    )


def estimator(kind):
    columns = {"id": "id", "time": "time", "value": "value"}
    if kind in (rm.RoMAEClassifier, rm.RoMAERegressor):
        columns["target"] = "target"
    return kind(columns=columns, **quick(epochs=1, unit=1.0))


def texts(caught):
    return [str(w.message) for w in caught if "differ from the one before" in str(w.message)]


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.__name__)
def fitted(request):
    return estimator(request.param).fit(frame(late=12.0))


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_warns_once(kind):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator(kind).fit(frame())
    assert len(texts(caught)) == 1
    assert re.search(MATCH, texts(caught)[0])
    assert next(w for w in caught if "differ from" in str(w.message)).filename == __file__


def test_a_prediction_warns_once(fitted):
    data = frame()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if isinstance(fitted, rm.RoMAEInterpolator):
            fitted.predict(data, at=[[0.5]] * 7)
        elif isinstance(fitted, rm.RoMAEEmbedder):
            fitted.transform(data)
        else:
            fitted.predict(data)
    assert len(texts(caught)) == 1
    assert re.search(MATCH, texts(caught)[0])


def test_an_evaluation_warns(fitted):
    with pytest.warns(UserWarning, match=MATCH):
        rm.evaluate(fitted, frame())


def test_ordinary_data_does_not_warn(fitted):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rm.evaluate(fitted, frame(late=12.0))


def test_queries_that_become_equal_are_named():
    tokens = rm.from_arrays(np.random.default_rng(0).normal(size=(8, 1, 12)))
    interpolator = rm.RoMAEInterpolator(**quick(epochs=1)).fit(tokens)
    at = [np.arange(3.0) + 0.5] * 7 + [1e10 + np.arange(20.0)]
    for predict in (interpolator.predict, interpolator.forecast):
        queries = at if predict == interpolator.predict else [a + 12.0 for a in at]
        with pytest.warns(UserWarning, match="19 times of queries differ from the one before, .* in sample 7"):
            predict(tokens, at=queries)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        interpolator.predict(tokens, at=[np.linspace(0.0, 11.0, 500)] * 8)


def test_a_source_that_is_no_token_set_is_checked():
    class Lazy:
        def __len__(self):
            return len(tokens)

        def __getitem__(self, index):
            return tokens[index]

    tokens = rm.from_frame(frame(), id="id", time="time", value="value")
    with pytest.warns(UserWarning, match=MATCH):
        rm.RoMAEEmbedder(model=MODEL, epochs=1, unit=1.0).fit(Lazy())
