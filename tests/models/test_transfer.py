"""Transfer copies every shared weight, refuses models that do not fit, and reports what it did."""

import pytest
import torch

import rotary_mae as rm
from tests.builders import loud, small_config, some_tokens

BATCH = rm.TokenBatch.collate(some_tokens()).hide(0.6, seed=0)


def autoencoder(seed=0, **changes):
    return loud(rm.RoMAEForPreTraining(small_config(**changes)), seed)


def classifier(seed=1, outputs=3, **changes):
    return loud(rm.RoMAEForPrediction(small_config(**changes), outputs=outputs), seed)


def weights_of(model):
    return {name: weight.clone() for name, weight in model.state_dict().items()}


@pytest.mark.parametrize("context", [0, 2])
def test_the_encoder_is_copied_whole_with_its_projection(context):
    """The official code does not copy the projection."""
    source, target = autoencoder(context=context), classifier(context=context)
    before = weights_of(target)
    report = rm.transfer(source, target)
    after = target.state_dict()
    assert set(report.copied) == {name for name in after if name.startswith("encoder.")}
    assert {"encoder.projection.weight", "encoder.projection.bias", "encoder.cls"} <= set(report.copied)
    assert ("encoder.context.weight" in report.copied) == (context > 0)
    assert set(report.new) == {"head.norm", "head.linear.weight", "head.linear.bias"}
    assert all(torch.equal(after[name], source.state_dict()[name]) for name in report.copied)
    assert all(torch.equal(after[name], before[name]) for name in report.new)
    assert set(report.left) == set(source.state_dict()) - set(report.copied)
    assert torch.equal(source.encoder(BATCH).states, target.encoder(BATCH).states)


def test_the_report_names_modules_and_numbers_of_weights():
    source, target = autoencoder(), classifier()
    report = rm.transfer(source, target)
    assert str(report) == (
        f"copied {len(report.copied)} weights (encoder.cls, encoder.projection, encoder.stack), made 3 new "
        f"(head.linear, head.norm), left {len(report.left)} (bridge.bias, bridge.weight, decoder.blocks, head.linear, "
        "head.norm, mask_token)"
    )


def test_a_transfer_between_equal_models_copies_everything():
    source, target = autoencoder(seed=0), autoencoder(seed=1)
    report = rm.transfer(source, target)
    assert not report.new
    assert not report.left
    assert torch.equal(source(BATCH).prediction, target(BATCH).prediction)


@pytest.mark.parametrize(("outputs", "is_copied"), [(3, True), (4, False)])
def test_a_head_is_copied_only_to_one_with_the_same_outputs(outputs, is_copied):
    source, target = classifier(seed=0), classifier(seed=1, outputs=outputs)
    before = weights_of(target)
    report = rm.transfer(source, target)
    heads = {"head.norm", "head.linear.weight", "head.linear.bias"}
    assert heads <= set(report.copied if is_copied else report.new)
    assert all(torch.equal(target.state_dict()[name], before[name]) for name in report.new)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_values": 3}, "n_values is 2 in the source and 3 in the target; give the target n_values=2"),
        ({"rope_base": 50.0}, "rope_base is 10000.0 in the source and 50.0 in the target"),
        ({"width": 16}, "width is 24 in the source and 16 in the target"),
        ({"depth": 3}, "depth is 2 in the source and 3 in the target"),
        ({"cls": False}, "cls is True in the source and False in the target"),
        ({"hidden": 44}, r"cannot transfer encoder\.stack\.blocks\.0\.up: shape \(40, 24\) in the source"),
    ],
)
def test_models_that_do_not_fit_are_refused_and_not_changed(changes, message):
    source, target = autoencoder(), classifier(**changes)
    before = weights_of(target)
    with pytest.raises(ValueError, match=message):
        rm.transfer(source, target)
    assert all(torch.equal(weight, before[name]) for name, weight in target.state_dict().items())


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [(0, 2, "the weights of 2 neighbours are new"), (3, 0, "the weights of 3 neighbours are left")],
)
def test_local_context_can_be_switched_on_or_off_and_the_report_has_a_note(before, after, message):
    report = rm.transfer(autoencoder(context=before), classifier(context=after))
    assert message in str(report)
    assert ("encoder.context.weight" in report.new) == (after > 0)
    assert ("encoder.context.weight" in report.left) == (before > 0)


def test_local_context_with_other_neighbours_is_refused():
    message = r"context is 3 in the source and 2 in the target; give the target context=3, or 0"
    with pytest.raises(ValueError, match=message):
        rm.transfer(autoencoder(context=3), classifier(context=2))


def test_other_objects_are_refused_by_name():
    with pytest.raises(TypeError, match=r"the source must be a RoMAEForPreTraining or RoMAEForPrediction.*got int"):
        rm.transfer(1, autoencoder())
    with pytest.raises(TypeError, match=r"the target must be a RoMAEForPreTraining or RoMAEForPrediction.*got int"):
        rm.transfer(autoencoder(), 2)
