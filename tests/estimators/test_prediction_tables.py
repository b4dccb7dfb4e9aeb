"""Tables of predictions, embeddings and queries."""

import numpy as np
import pandas as pd
import pytest

import rotary_mae as rm
from rotary_mae.estimators.prediction_tables import embedding_table, grid_frame, prediction_table
from tests.estimators.small import COLUMNS, light_curves, quick, series

FRESH = light_curves(5, seed=5)


def test_classes_have_a_column_of_probabilities_each(fitted):
    tokens = rm.from_frame(FRESH, **COLUMNS)
    table = prediction_table(fitted["classifier"], tokens).to_pandas()
    assert list(table) == ["id", "prediction", "p_falls", "p_rises"]
    assert table["id"].tolist() == tokens.ids.tolist()
    assert table["prediction"].tolist() == fitted["classifier"].predict(tokens).tolist()
    np.testing.assert_array_equal(table[["p_falls", "p_rises"]], fitted["classifier"].predict_proba(tokens))


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (None, ["prediction_0", "prediction_1"]),
        ({"target": ["age", "mass"]}, ["prediction_age", "prediction_mass"]),
        ({"target": ["age"]}, ["prediction_0", "prediction_1"]),
    ],
)
def test_several_numbers_are_named_after_the_columns_of_the_fit(columns, expected):
    X, _ = series(24)
    tokens = rm.from_arrays(X)
    regressor = rm.RoMAERegressor(**quick(epochs=1)).fit(tokens, np.column_stack([np.arange(24.0), np.ones(24)]))
    table = prediction_table(regressor.set_params(columns=columns), tokens).to_pandas()
    assert list(table) == ["id", *expected]
    np.testing.assert_array_equal(table[expected], regressor.predict(tokens))


def test_embeddings_have_a_column_a_dimension(fitted):
    tokens = rm.from_frame(FRESH, **COLUMNS)
    table = embedding_table(fitted["embedder"], tokens).to_pandas().set_index("id")
    np.testing.assert_array_equal(table, fitted["embedder"].transform(tokens))
    assert list(table) == [f"e{k}" for k in range(16)]


def test_a_grid_has_regular_times_over_each_span_in_every_channel(fitted):
    tokens = rm.from_frame(FRESH, **COLUMNS)
    grid = grid_frame(tokens, 4, COLUMNS).to_pandas()
    assert list(grid) == ["object_id", "mjd", "band"]
    spans = FRESH.groupby("object_id")["mjd"].agg(["min", "max"])
    for (name, _), times in grid.groupby(["object_id", "band"])["mjd"]:
        np.testing.assert_allclose(times, np.linspace(*spans.loc[name], 4))
    assert grid.groupby("object_id")["band"].unique().map(list).tolist() == [["g", "r"]] * 5
    predicted = fitted["interpolator"].predict(tokens, at=grid)
    assert len(predicted) == 5 * 2 * 4


def test_a_grid_of_time_stamps_has_time_stamps():
    stamped = FRESH.assign(mjd=pd.Timestamp("2020-01-01") + pd.to_timedelta(FRESH["mjd"] - 59_000, unit="D"))
    grid = grid_frame(rm.from_frame(stamped, **COLUMNS), 2, COLUMNS).to_pandas()
    # seconds in float64 hold microseconds
    assert abs(grid["mjd"].min() - stamped["mjd"].min()) < pd.Timedelta("1us")
    assert abs(grid["mjd"].max() - stamped["mjd"].max()) < pd.Timedelta("1us")


def test_grids_that_cannot_be_made_are_a_clear_error():
    with pytest.raises(ValueError, match="at least 2 times a sample, got 1"):
        grid_frame(rm.from_frame(FRESH, **COLUMNS), 1, COLUMNS)
    images = rm.from_images(np.zeros((2, 8, 8, 1), np.float32), patch=(4, 4))
    with pytest.raises(ValueError, match=r"a grid has times, and these samples have the axes \('row', 'column'\)"):
        grid_frame(images, 3, None)
