"""Configurations: sizes of the paper, JSON, and errors for invalid settings."""

import json
import re

import pytest
import torch

import rotary_mae as rm
from rotary_mae.models.config import SIZES, DecoderConfig, RoMAEConfig
from tests.builders import small_config


@pytest.mark.parametrize(
    ("size", "millions"), [("tiny-shallow", 0.782), ("tiny", 4.67), ("small", 26.9), ("base", 74.7)]
)
def test_parameter_counts_are_those_of_table_8(size, millions):
    with torch.device("meta"):
        model = rm.RoMAEForPrediction(RoMAEConfig(n_values=1, n_axes=1, size=size), outputs=1)
    n_in_blocks = sum(p.numel() for p in model.encoder.stack.parameters())
    assert n_in_blocks / 1e6 == pytest.approx(millions, rel=0.01)
    assert model.n_parameters() == sum(p.numel() for p in model.parameters())
    assert model.n_parameters() / 1e6 == pytest.approx(millions, rel=0.01)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("n_axes", [1, 2, 3])
def test_every_size_allows_up_to_three_axes(size, n_axes):
    config = RoMAEConfig(n_values=1, n_axes=n_axes, size=size)
    assert config.hidden == 4 * config.width


def test_single_settings_of_a_size_can_be_replaced():
    config = RoMAEConfig(n_values=1, n_axes=1, size="tiny", depth=3, hidden=100)
    assert (config.width, config.heads, config.depth, config.hidden) == (180, 3, 3, 100)


@pytest.mark.parametrize("changes", [{}, {"timescales": ((1.0, 2.5),)}, {"context": 3, "distribution": "gaussian"}])
def test_a_config_survives_json(changes):
    config = small_config(**changes)
    assert RoMAEConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"widht": 64}, "RoMAEConfig has no setting 'widht'; did you mean 'width'?"),
        ({"decoder": {"dept": 1}}, "DecoderConfig has no setting 'dept'; did you mean 'depth'?"),
        ({"zzz": 1}, "RoMAEConfig has no setting 'zzz'; it has n_values, n_axes"),
        ({"size": "tiney"}, "got 'tiney'; did you mean 'tiny'?"),
        ({"n_axes": 4}, "head width 60 needs a multiple of 2 * axes = 8; try width 192 with 3 heads"),
        ({"width": 60, "heads": 4}, "head width 15 needs a multiple of 2 * axes = 2; try width 64 with 4 heads"),
        ({"width": 342, "heads": 8}, "head width 342 / 8 needs a multiple of 2 * axes = 2; try width 336 with 8 heads"),
        ({"n_axes": 4, "width": 192}, "decoder: head width 60 needs a multiple of 2 * axes = 8; try width 192"),
        ({"width": -1}, "width must be at least 1, got -1"),
        ({"n_values": 0}, "must be at least 1"),
        ({"n_values": 2, "n_predicted": 3}, "n_predicted at most n_values"),
        ({"positions": "learned"}, "positions must be one of ('rope', 'absolute'), got 'learned'"),
        ({"queries": "both"}, "queries must be one of ('joint', 'independent'), got 'both'"),
        ({"distribution": "laplace"}, "distribution must be one of ('point', 'gaussian'), got 'laplace'"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1, got 1.0"),
        ({"drop_path": 1.0}, "drop_path must be at least 0 and below 1, got 1.0"),
        ({"rope_fraction": -0.1}, "rope_fraction must be in [0, 1], got -0.1"),
        ({"context": -1}, "context must be a whole number of at least 0, got -1"),
        ({"timescales": ((1.0,), (2.0,))}, "timescales needs one tuple per axis (1), got 2"),
        ({"normalize_targets": True}, "normalize_targets needs several values per token"),
    ],
)
def test_invalid_settings_raise_errors_that_name_a_correction(changes, message):
    """The official code ignores unknown settings and accepts widths that do not divide into heads and axes."""
    with pytest.raises(ValueError, match=re.escape(message)):
        RoMAEConfig.from_dict({"n_values": 1, "n_axes": 1, **changes})


def test_the_decoder_can_be_set_as_the_error_suggests():
    config = RoMAEConfig(n_values=1, n_axes=4, width=192, heads=3, decoder=DecoderConfig(width=192, heads=3))
    rm.RoMAEForPreTraining(config)
