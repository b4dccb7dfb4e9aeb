"""Fits with ``out``: interrupted and resumed."""

import numpy as np
import pytest

import rotary_mae as rm
from tests.estimators.small import quick, series
from tests.training.runs import WatchedSource, request_shutdown


def test_a_resumed_fit_predicts_the_same_as_an_uninterrupted_one(tmp_path):
    X, y = series()
    tokens = rm.from_arrays(X, targets=(y == "rises").astype(int))
    settings = quick(epochs=4, batch_size=5, dropout=0.2)
    whole = rm.RoMAEClassifier(**settings).fit(tokens)
    out = tmp_path / "run"
    # the first read is that of the scaling
    with pytest.raises(KeyboardInterrupt):
        rm.RoMAEClassifier(out=out, **settings).fit(WatchedSource(tokens, 8, request_shutdown))
    resumed = rm.RoMAEClassifier(out=out, resume=True, **settings).fit(tokens)
    np.testing.assert_array_equal(resumed.predict_proba(X), whole.predict_proba(X))
    with pytest.raises(FileExistsError, match="not empty"):
        rm.RoMAEClassifier(out=out, **settings).fit(tokens)


@pytest.mark.parametrize("kind", [rm.RoMAEEmbedder, rm.RoMAERegressor])
def test_a_run_is_not_resumed_on_other_data_of_the_same_size(kind, tmp_path):
    X, _ = series()
    y = None if kind is rm.RoMAEEmbedder else np.arange(24.0)
    settings = quick(out=str(tmp_path / "run"))
    kind(**settings).fit(X, y)
    again = kind(**settings, resume=True)
    again.fit(X, y)
    with pytest.raises(ValueError, match="other settings of data: fingerprint"):
        again.fit(1000 * X, y)
    if y is not None:
        with pytest.raises(ValueError, match="other settings of data: fingerprint"):
            again.fit(X, y[::-1])
