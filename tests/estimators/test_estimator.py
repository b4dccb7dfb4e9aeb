"""What all estimators have in common: their parameters and how these are documented."""

import inspect
import re

import numpy as np
import pytest
from sklearn.base import clone

import rotary_mae as rm
from tests.estimators.small import MODEL, quick, series

KINDS = (rm.RoMAEEmbedder, rm.RoMAEClassifier, rm.RoMAERegressor, rm.RoMAEInterpolator)

GROUPS = {
    "data": ["columns", "layout", "unit", "validation_fraction"],
    "model": ["init", "size", "context", "dropout", "model"],
    "training": [
        *("epochs", "learning_rate", "batch_size", "class_weight", "hiding", "hiding_fraction", "n_estimators"),
        *("early_stopping", "max_minutes", "training"),
    ],
    "runtime": ["precision", "compile", "device", "random_state", "verbose", "out", "resume"],
}

OWN = {
    rm.RoMAEEmbedder: set(),
    rm.RoMAEClassifier: {"class_weight", "n_estimators"},
    rm.RoMAERegressor: {"n_estimators"},
    rm.RoMAEInterpolator: {"hiding", "hiding_fraction", "n_estimators"},
}

DEFAULTS = {
    "layout": "auto",
    "unit": "auto",
    "validation_fraction": 0.1,
    "hiding": "auto",
    "hiding_fraction": 0.5,
    "n_estimators": 1,
    "early_stopping": True,
    "precision": "fp32",
    "compile": False,
    "device": "auto",
    "verbose": 0,
    "resume": False,
}


def entries(doc: str, section: str) -> dict[str, str]:
    """Return the text of each entry of a numpydoc section by name."""
    match = re.search(rf"{section}\n-+\n(.*?)(?=\n\n\S|\Z)", doc, re.DOTALL)
    assert match is not None
    found = re.findall(r"^(\w+) : (.*?)(?=^\w|\Z)", match[1], re.DOTALL | re.MULTILINE)
    return dict(found)


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_are_keywords_in_four_groups(kind):
    parameters = inspect.signature(kind.__init__).parameters
    shared = {name for names in GROUPS.values() for name in names} - set.union(*OWN.values())
    expected = [name for names in GROUPS.values() for name in names if name in shared | OWN[kind]]
    assert list(parameters)[1:] == expected
    assert {p.kind for name, p in parameters.items() if name != "self"} == {inspect.Parameter.KEYWORD_ONLY}
    assert {name: parameters[name].default for name in expected} == {name: DEFAULTS.get(name) for name in expected}
    # the constructor is written out, with a comment above each group
    assert re.findall(r"# (\w+)\n", inspect.getsource(kind.__init__)) == list(GROUPS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_is_documented_in_the_order_of_the_signature(kind):
    documented = entries(inspect.getdoc(kind), "Parameters")
    assert list(documented) == list(inspect.signature(kind).parameters)
    shared = entries(inspect.getdoc(rm.RoMAEEmbedder), "Parameters")
    for name in set(shared) - {"training"}:
        assert documented[name] == shared[name]


@pytest.mark.parametrize("kind", KINDS)
def test_every_fitted_attribute_is_documented(kind):
    X, y = series(24)
    fitted = kind(**quick(epochs=1)).fit(X, np.asarray(y == "rises", float))
    public = {name for name in vars(fitted) if name.endswith("_") and not name.startswith("_")} | {"scaling_"}
    assert set(entries(inspect.getdoc(kind), "Attributes")) == public


@pytest.mark.parametrize("kind", KINDS)
def test_predicts_targets_is_true_for_classifiers_and_regressors(kind):
    assert kind.predicts_targets is (kind in (rm.RoMAEClassifier, rm.RoMAERegressor))


@pytest.mark.parametrize("kind", [rm.RoMAEEmbedder, rm.RoMAEInterpolator])
def test_the_score_on_masked_values_is_the_explained_fraction_of_their_variance(kind):
    X, _ = series(60, times=20)
    fitted = kind(**quick(epochs=5)).fit(X[:40])
    metrics = rm.evaluate(fitted, X[40:])
    assert fitted.score(X[40:]) == fitted.score(X[40:], None) == 1.0 - metrics["mse"] / metrics["mse_mean"] < 1.0


def test_nested_settings_may_be_objects_or_mappings(tmp_path):
    X, _ = series(24)
    decoder, augmentation = {"width": 8, "heads": 2, "depth": 1}, {"noise": 0.1}
    given = {
        "objects": ({**MODEL, "decoder": rm.DecoderConfig(**decoder)}, rm.Augmentation(**augmentation)),
        "mappings": ({**MODEL, "decoder": decoder}, augmentation),
    }
    weights = []
    for model, augmented in given.values():
        embedder = rm.RoMAEEmbedder(**quick(epochs=1, model=model, training={"augmentation": augmented})).fit(X)
        weights.append(embedder.transform(X))
    np.testing.assert_array_equal(*weights)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, rm.Masking("uniform", 0.5)),
        ({"hiding": "block", "hiding_fraction": 0.3}, rm.Masking("block", 0.3)),
        ({"hiding": rm.Masking("future", 0.2), "hiding_fraction": 0.9}, rm.Masking("future", 0.2)),
        ({"hiding": {"strategy": "times", "fraction": 0.1}, "hiding_fraction": 0.9}, rm.Masking("times", 0.1)),
        ({"hiding": "block", "training": {"hiding": {"fraction": 0.4}}}, rm.Masking("block", 0.4)),
        ({"hiding": "block", "training": {"hiding": rm.Masking("channel", 0.4)}}, rm.Masking("channel", 0.4)),
    ],
)
def test_masking_of_an_interpolator_is_a_strategy_a_masking_or_a_mapping(parameters, expected):
    interpolator = rm.RoMAEInterpolator(**parameters)
    assert interpolator.hiding_of_training == clone(interpolator).hiding_of_training == expected


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"hiding": "stripes"}, "masking strategy must be one of"),
        ({"hiding": {"fractions": 0.1}}, "Masking has no setting 'fractions'; did you mean 'fraction'"),
        ({"hiding": 3}, "hiding must be a Masking or a dictionary of its settings, got 3"),
        ({"hiding_fraction": 0.0}, "hiding_fraction must be above 0 and at most 1, got 0.0"),
    ],
)
def test_an_invalid_masking_is_a_clear_error(parameters, message):
    with pytest.raises(ValueError, match=message):
        rm.RoMAEInterpolator(**parameters, **quick()).fit(series()[0])
