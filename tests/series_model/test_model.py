"""SeriesModel: configuration, files, and the initial model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from rotary_mae.prior import SyntheticSeries
from rotary_mae.series_model.model import SeriesModel, SeriesModelConfig
from rotary_mae.series_model.series_batch import SeriesBatch
from rotary_mae.series_model.views import MAX_TRAINING_QUERIES, Views, training_views
from tests.series_model.builders import small_model


@pytest.fixture(scope="module")
def views() -> Views:
    draw = SyntheticSeries(1000, seed=3).draw(slice(0, 60))
    tokens = draw.tokens
    generator = np.random.default_rng(0)
    return training_views(tokens.values, tokens.positions, tokens.lengths, draw.is_query, generator)


def test_saved_models_are_equal_to_the_bit_and_saved_again_to_equal_files(views: Views, tmp_path: Path) -> None:
    model = small_model()
    model.save_pretrained(tmp_path / "one")
    loaded = SeriesModel.from_pretrained(tmp_path / "one")
    for name, weight in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], weight.half().float())
    loaded.save_pretrained(tmp_path / "two")
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    batch = SeriesBatch.from_views(views)
    again = SeriesModel.from_pretrained(tmp_path / "two")
    assert torch.equal(loaded(batch).mean, again(batch).mean)


def test_saving_keeps_other_files_and_replaces_a_model(tmp_path: Path) -> None:
    small_model(0).save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "notes.txt").write_text("mine")
    small_model(1).save_pretrained(tmp_path / "model")
    assert (tmp_path / "model" / "notes.txt").read_text() == "mine"
    head = SeriesModel.from_pretrained(tmp_path / "model").head.linear.weight
    assert torch.equal(head, small_model(1).head.linear.weight.half().float())


def test_other_models_and_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    model = small_model()
    with torch.no_grad():
        model.query_token[0] = 1e6
    with pytest.raises(ValueError, match="query_token"):
        model.save_pretrained(tmp_path / "bad")
    assert not (tmp_path / "bad").exists()
    small_model().save_pretrained(tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model": "RoMAEForPreTraining"}))
    with pytest.raises(ValueError, match="RoMAEForPreTraining"):
        SeriesModel.from_pretrained(tmp_path / "model")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0}, "width"),
        ({"width": 30, "heads": 4}, "width"),
        ({"heads": 1.5}, "heads"),
        ({"width": 8, "heads": 2}, "wide"),
    ],
)
def test_settings_that_do_not_fit_raise_errors(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SeriesModelConfig(**settings)
    with pytest.raises(ValueError, match="no setting"):
        SeriesModelConfig.from_dict({"widht": 64})


def test_the_initial_model_predicts_about_as_the_bank_of_gaussian_processes(views: Views) -> None:
    torch.manual_seed(0)
    model = SeriesModel(SeriesModelConfig(width=32, heads=2))
    batch = SeriesBatch.from_views(views)
    mean, std = model(batch).mean_and_std()
    assert ((mean - batch.process_mean).abs() < batch.process_std).all()
    ratio = std / (batch.process_std + 3e-3)
    assert ((ratio > 0.3) & (ratio < 3)).all()


def test_every_parameter_has_a_gradient(views: Views) -> None:
    model = small_model()
    batch = SeriesBatch.from_views(views)
    model(batch).log_prob(batch.targets).clamp(min=-50).mean().backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert without == []


def test_training_views_have_one_channel_of_queries_and_never_show_a_target(views: Views) -> None:
    assert (views.lengths >= 1).all()
    assert ((views.query_lengths >= 1) & (views.query_lengths <= MAX_TRAINING_QUERIES)).all()
    draw = SyntheticSeries(1000, seed=3).draw(slice(0, 60))
    for i in range(60):
        view = views.take(np.array([i]))
        first = draw.tokens.starts[i]
        tokens = slice(first, first + draw.tokens.lengths[i])
        is_query, positions = draw.is_query[tokens], draw.tokens.positions[tokens]
        assert sorted(view.times) == sorted(positions[~is_query, 0])
        asked = {(t, np.float64(v)) for t, v in zip(view.query_times, view.targets, strict=True)}
        values = draw.tokens.values[tokens, 0].astype(np.float64)
        rows = zip(positions[:, 0], values, positions[:, 1], is_query, strict=True)
        queries = [(t, v, c) for t, v, c, q in rows if q]
        # values and times may be equal in several channels
        assert any(asked <= {(t, v) for t, v, c in queries if c == channel} for channel in set(positions[:, 1]))


def test_moving_a_batch_keeps_its_numbers(views: Views) -> None:
    batch = SeriesBatch.from_views(views)
    moved = batch.to("cpu")
    assert torch.equal(moved.values, batch.values)
    assert moved.to("meta").values.device.type == "meta"
