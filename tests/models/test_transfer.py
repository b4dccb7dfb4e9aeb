"""What goes from one model into another."""

import pytest
import torch

import rotary_mae as rm
from tests.training.runs import autoencoder, classifier, waves


def test_all_shared_weights_are_copied_the_input_projection_included():
    source, target = autoencoder(seed=0), classifier(seed=1)
    report = rm.transfer(source, target)
    shared = {k for k in target.state_dict() if k.startswith("encoder.")}
    assert set(report.copied) == shared
    assert {"encoder.projection.weight", "encoder.projection.bias", "encoder.cls"} <= shared
    assert all(torch.equal(target.state_dict()[k], source.state_dict()[k]) for k in shared)
    assert all(k.startswith("head.") for k in report.new)
    assert set(report.left) == set(source.state_dict()) - shared
    assert "copied" in str(report)
    assert "encoder.projection" in str(report)


def test_the_encoder_gives_the_same_states_after_transfer():
    source, target = autoencoder(seed=0).eval(), classifier(seed=1).eval()
    rm.transfer(source, target)
    batch = rm.TokenBatch.collate(waves())
    assert torch.equal(source.encoder(batch).states, target.encoder(batch).states)


def test_a_classifier_gives_its_head_to_its_like_only():
    source = classifier(seed=0)
    assert not rm.transfer(source, classifier(seed=1)).new
    torch.manual_seed(1)
    other = rm.RoMAEForPrediction(source.config, outputs=3)
    before = other.head.linear.weight.detach().clone()
    assert set(rm.transfer(source, other).new) == {"head.norm", "head.linear.weight", "head.linear.bias"}
    assert torch.equal(other.head.linear.weight, before)


@pytest.mark.parametrize("changes", [{"width": 16}, {"n_values": 3}, {"rope_base": 100.0}, {"cls": False}])
def test_weights_that_would_mean_something_else_are_an_error(changes):
    with pytest.raises(ValueError, match="cannot transfer"):
        rm.transfer(autoencoder(), classifier(**changes))


def test_what_is_no_model_is_named():
    with pytest.raises(TypeError, match=r"the source must be a RoMAEForPreTraining or RoMAEForPrediction.*got int"):
        rm.transfer(1, 2)
