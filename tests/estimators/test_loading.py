"""Estimators from folders."""

import json
from pathlib import Path

import numpy as np
import pytest

import rotary_mae as rm
from tests.estimators.small import answers, light_curves

# one folder for each kind, written by commit f6f031d, and what its estimator predicted for ``light_curves(3, seed=5)``
SAVED = Path(__file__).parent / "saved"


@pytest.mark.parametrize("kind", ["embedder", "classifier", "regressor", "interpolator"])
def test_folders_of_earlier_commits_load_and_predict_the_same(kind):
    expected = json.loads((SAVED / "expected.json").read_text())[kind]
    estimator = rm.load(SAVED / kind)
    np.testing.assert_allclose(answers(estimator, light_curves(3, seed=5)), expected["predictions"], rtol=1e-4)
    assert estimator.summary_.scores == expected["scores"]
