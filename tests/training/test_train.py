"""Properties of complete trainings, and errors for invalid input."""

import numpy as np
import pytest
import torch

import rotary_mae as rm
from rotary_mae.batches.masking import Masking
from rotary_mae.nn.rope import rope_angles
from tests.training.runs import (
    LENGTHS,
    WatchedSource,
    assert_same_weights,
    autoencoder,
    classifier,
    quiet,
    waves,
    weights_of,
)


def test_eight_samples_can_be_overfitted_by_an_autoencoder():
    config = quiet(epochs=300, batch_size=8, learning_rate=1e-2, hiding=Masking(fraction=0.25))
    model = autoencoder(decoder={"width": 24, "heads": 2, "depth": 2})
    losses = [epoch["loss"] for epoch in rm.train(model, waves((8,) * 8), config).history]
    assert np.mean(losses[-20:]) < 0.1 * np.mean(losses[:5])


def test_eight_samples_can_be_overfitted_by_a_classifier():
    tokens, model = waves(LENGTHS[:8]), classifier()
    rm.train(model, tokens, quiet(epochs=80, batch_size=8))
    logits = model(rm.TokenBatch.collate(tokens)).logits
    assert (logits.argmax(1).numpy() == tokens.targets).all()


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("make", [autoencoder, classifier])
def test_four_accumulated_batches_of_8_give_the_update_of_one_batch_of_32(make, is_weighted):
    lengths = np.random.default_rng(1).integers(2, 14, 32)
    weight = np.random.default_rng(2).uniform(0.0, 3.0, 32) if is_weighted else None
    models = []
    for changes in ({"batch_size": 8, "accumulate": 4}, {"batch_size": 32}):
        models.append(make())
        config = quiet(epochs=5, optimizer="sgd", learning_rate=0.05, **changes)
        result = rm.train(models[-1], waves(lengths), config, sample_weight=weight)
        assert result.steps == 5
    assert_same_weights(*models, atol=2e-6)


@pytest.mark.parametrize("make", [autoencoder, classifier])
def test_samples_of_weight_0_are_left_out(make):
    tokens, n = waves(LENGTHS[:12]), 8
    weighted, fewer = make(), make()
    config = quiet(batch_size=100, optimizer="sgd", learning_rate=0.05)
    with_zeros = rm.train(weighted, tokens, config, sample_weight=np.r_[np.ones(n), np.zeros(12 - n)])
    without = rm.train(fewer, tokens[:n], config)
    assert_same_weights(weighted, fewer, atol=2e-6)
    losses = [[epoch["loss"] for epoch in result.history] for result in (with_zeros, without)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


@pytest.mark.parametrize("name", ["sample_weight", "validation_weight"])
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.ones(3), r"must be \(21,\), one a sample, got shape \(3,\)"),
        (np.r_[-1.0, np.ones(20)], "must be finite numbers of at least 0, 1 of them are not"),
        (np.full(21, np.nan), "must be finite numbers of at least 0, 21 of them are not"),
        (np.zeros(21), "is zero for every sample"),
    ],
)
def test_invalid_sample_weights_are_errors(name, weight, message):
    with pytest.raises(ValueError, match=f"{name} {message}"):
        rm.train(autoencoder(), waves(), quiet(), validation=waves(), **{name: weight})


def test_equal_seeds_give_equal_weights_and_the_global_random_state_is_restored():
    torch.manual_seed(123)
    expected = torch.rand(3)
    models = [classifier(dropout=0.2), classifier(dropout=0.2)]
    torch.manual_seed(123)
    for model in models:
        rm.train(model, waves(), quiet())
    assert torch.equal(torch.rand(3), expected)
    assert_same_weights(*models)
    other = classifier(dropout=0.2)
    rm.train(other, waves(), quiet(seed=1))
    assert not torch.equal(weights_of(other)["head.linear.weight"], weights_of(models[0])["head.linear.weight"])


def test_the_weights_do_not_depend_on_num_workers():
    models = [autoencoder(dropout=0.2), autoencoder(dropout=0.2)]
    for model, n in zip(models, (0, 2), strict=True):
        rm.train(model, waves(), quiet(num_workers=n), validation=waves(LENGTHS[:5], seed=1))
    assert_same_weights(*models)


def test_a_process_can_train_with_several_precisions_and_devices():
    for precision, device in (("fp32", "cpu"), ("bf16", "auto"), ("fp32", "auto"), ("bf16", "cpu")):
        model = autoencoder()
        forward = model.forward
        result = rm.train(model, waves(), quiet(precision=precision, device=device))
        assert result.steps == 20
        assert model.forward == forward


def test_bf16_learns_and_keeps_weights_and_positions_in_float32():
    model = autoencoder()
    history = rm.train(classifier(), waves(), quiet(epochs=15, precision="bf16")).history
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    rm.train(model, waves(), quiet(precision="bf16"))
    assert all(weight.dtype == torch.float32 for weight in model.parameters())
    with torch.autocast("cpu", torch.bfloat16):
        assert rope_angles(torch.tensor([[1000.0]]), torch.ones(1, 4))[0].dtype == torch.float32
        assert model(rm.TokenBatch.collate(waves()).hide(0.5, seed=0)).prediction.dtype == torch.float32


@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_the_masked_fraction_may_be_0_or_1(fraction):
    result = rm.train(autoencoder(), waves(), quiet(hiding=Masking(fraction=fraction)))
    losses = [epoch["loss"] for epoch in result.history]
    assert np.isfinite(losses).all()
    assert (np.array(losses) > 0).all() == (fraction > 0)


def test_a_cache_and_a_source_in_memory_that_is_read_in_blocks_give_equal_weights(tmp_path):
    # fewer samples than a block, so that both sources are shuffled as one block
    tokens = waves(LENGTHS * 4)
    cached = rm.write_cache(tokens, tmp_path / "cache")
    in_memory, on_disk, reopened = classifier(), classifier(), classifier()
    config = quiet(batch_size=20, epochs=2)
    rm.train(on_disk, cached, config)
    rm.train(reopened, rm.open_cache(tmp_path / "cache"), quiet(batch_size=20, epochs=2, num_workers=2))
    assert_same_weights(on_disk, reopened)
    blocked = WatchedSource(tokens, 0, lambda: None)
    blocked.is_on_disk = True
    rm.train(in_memory, blocked, config)
    assert_same_weights(in_memory, on_disk)


def test_scaling_is_applied_and_saved(tmp_path):
    tokens = waves()
    raw = tokens.replace(values=tokens.values * 50 + 1000, positions=tokens.positions + 59_000)
    scaling = rm.Scaling.fit(raw)
    model, by_hand = classifier(), classifier()
    rm.train(model, raw, quiet(), scaling=scaling, out=tmp_path / "run", validation=raw[:4])
    rm.train(by_hand, scaling.apply(raw), quiet(), validation=scaling.apply(raw)[:4])
    assert_same_weights(model, by_hand)
    assert rm.RoMAEForPrediction.from_pretrained(tmp_path / "run").scaling == scaling


@pytest.mark.parametrize("outputs", [1, 3])
def test_numbers_can_be_overfitted(outputs):
    tokens = waves(LENGTHS[:8])
    targets = np.random.default_rng(0).normal(size=(8, outputs)).astype(np.float32)
    torch.manual_seed(0)
    model = rm.RoMAEForPrediction(classifier().config, outputs=outputs)
    rm.train(model, tokens.with_targets(targets), quiet(epochs=150, batch_size=8, learning_rate=1e-2))
    logits = model(rm.TokenBatch.collate(tokens)).logits.detach().numpy()
    assert np.square(logits - targets).mean() < 0.1 * np.square(targets - targets.mean(0)).mean()


@pytest.mark.parametrize("empty", ["tokens", "validation"])
def test_an_empty_set_is_a_clear_error(empty):
    given = {"tokens": waves(), "validation": waves()} | {empty: waves()[:0]}
    with pytest.raises(ValueError, match=f"there are no {'training' if empty == 'tokens' else empty} samples"):
        rm.train(autoencoder(), given["tokens"], quiet(), validation=given["validation"])


def test_errors_name_the_type_of_what_is_not_a_model_or_a_source():
    with pytest.raises(TypeError, match="needs a RoMAEForPreTraining or RoMAEForPrediction, got RoMAEClassifier"):
        rm.train(rm.RoMAEClassifier(), waves(), quiet())
    with pytest.raises(TypeError, match="needs a TokenSet or another Source, got list; make tokens of it first"):
        rm.train(classifier(), [[1.0, 2.0]], quiet())
    with pytest.raises(TypeError, match="got dict"):
        rm.train(classifier(), waves(), quiet(), validation={"a": 1})


def test_classes_that_the_model_does_not_have_are_a_clear_error():
    tokens = waves().with_targets(np.arange(len(waves())) % 8)
    with pytest.raises(ValueError, match=r"classes, 0 to 1 for a model with outputs=2; got 0 to 7"):
        rm.train(classifier(), tokens, quiet())
    with pytest.raises(ValueError, match="targets that are numbers"):
        rm.train(classifier(), waves().with_targets(["a"] * len(waves())), quiet())


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (np.r_[np.nan, np.zeros(15)], "targets must be finite, "),
        (np.zeros((16, 2), int), r"one a sample, got shape \(21, 2\); give floats for regression"),
        (np.full(16, -1), "classes, 0 to 1"),
        (np.full(16, 5), "classes, 0 to 1"),
    ],
)
def test_targets_that_do_not_fit_the_model_are_a_clear_error(targets, message):
    tokens = waves()
    targets = np.resize(targets, (len(tokens), *targets.shape[1:]))
    with pytest.raises(ValueError, match=message):
        rm.train(classifier(), tokens.with_targets(targets), quiet())
