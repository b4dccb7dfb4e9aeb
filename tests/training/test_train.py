"""Properties of one training, start to end."""

import itertools

import numpy as np
import pytest
import torch

import rotary_mae as rm
from rotary_mae.batches.masking import Masking
from rotary_mae.nn.rope import rope_angles
from rotary_mae.training.dataloader import BatchReader
from rotary_mae.training.validation import validate
from tests.training.runs import LENGTHS, assert_same_weights, autoencoder, classifier, quiet, waves, weights_of


def test_eight_samples_are_learned_by_heart():
    config = quiet(epochs=300, batch_size=8, learning_rate=1e-2, hiding=Masking(fraction=0.25))
    model = autoencoder(decoder={"width": 24, "heads": 2, "depth": 2})
    losses = [line["loss"] for line in rm.train(model, waves((8,) * 8), config).history]
    assert np.mean(losses[-20:]) < 0.1 * np.mean(losses[:5])


def test_eight_samples_are_classified_by_heart():
    tokens, model = waves(LENGTHS[:8]), classifier()
    rm.train(model, tokens, quiet(epochs=80, batch_size=8))
    logits = model(rm.TokenBatch.collate(tokens)).logits
    assert (logits.argmax(1).numpy() == tokens.targets).all()


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("make", [autoencoder, classifier])
def test_four_batches_of_8_are_one_of_32(make, is_weighted):
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
def test_weight_zero_leaves_samples_out(make):
    tokens, n = waves(LENGTHS[:12]), 8
    weighted, fewer = make(), make()
    config = quiet(batch_size=100, optimizer="sgd", learning_rate=0.05)
    with_zeros = rm.train(weighted, tokens, config, sample_weight=np.r_[np.ones(n), np.zeros(12 - n)])
    without = rm.train(fewer, tokens[:n], config)
    assert_same_weights(weighted, fewer, atol=2e-6)
    losses = [[line["loss"] for line in result.history] for result in (with_zeros, without)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


@pytest.mark.parametrize("weight", [np.ones(3), -np.ones(21), np.full(21, np.nan), np.zeros(21)])
def test_weights_that_mean_nothing_are_errors(weight):
    with pytest.raises(ValueError, match="sample_weight"):
        rm.train(autoencoder(), waves(), quiet(), sample_weight=weight)


def test_the_same_seed_repeats_and_the_caller_draws_as_before():
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


def test_num_workers_changes_nothing():
    models = [autoencoder(dropout=0.2), autoencoder(dropout=0.2)]
    for model, n in zip(models, (0, 2), strict=True):
        rm.train(model, waves(), quiet(num_workers=n), validation=waves(LENGTHS[:5], seed=1))
    assert_same_weights(*models)


def test_a_process_trains_twice_with_other_settings():
    for precision, device in (("fp32", "cpu"), ("bf16", "auto"), ("fp32", "auto"), ("bf16", "cpu")):
        model = autoencoder()
        forward = model.forward
        result = rm.train(model, waves(), quiet(precision=precision, device=device))
        assert result.steps == 20
        assert model.forward == forward


def test_bf16_learns_with_positions_in_float32():
    model = autoencoder()
    history = rm.train(classifier(), waves(), quiet(epochs=15, precision="bf16")).history
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    rm.train(model, waves(), quiet(precision="bf16"))
    assert all(weight.dtype == torch.float32 for weight in model.parameters())
    with torch.autocast("cpu", torch.bfloat16):
        assert rope_angles(torch.tensor([[1000.0]]), torch.ones(1, 4))[0].dtype == torch.float32
        assert model(rm.TokenBatch.collate(waves()).hide(0.5, seed=0)).prediction.dtype == torch.float32


@pytest.mark.parametrize("hidden_fraction", [0.0, 1.0])
def test_nothing_or_nearly_everything_hidden_trains(hidden_fraction):
    result = rm.train(autoencoder(), waves(), quiet(hiding=Masking(fraction=hidden_fraction)))
    assert all(np.isfinite(line["loss"]) for line in result.history)


def test_a_source_on_disk_trains_as_one_in_memory(tmp_path):
    # fewer samples than a block on disk, so that both are shuffled as one
    tokens = waves(LENGTHS * 4)
    cached = rm.write_cache(tokens, tmp_path / "cache")
    in_memory, on_disk, reopened = classifier(), classifier(), classifier()
    config = quiet(batch_size=20, epochs=2)
    rm.train(on_disk, cached, config)
    rm.train(reopened, rm.open_cache(tmp_path / "cache"), quiet(batch_size=20, epochs=2, num_workers=2))
    assert_same_weights(on_disk, reopened)
    blocked = tokens
    blocked.is_on_disk = True  # type: ignore[attr-defined]
    rm.train(in_memory, blocked, config)
    assert_same_weights(in_memory, on_disk)


def test_scaling_is_applied_and_kept(tmp_path):
    tokens = waves()
    far = tokens.replace(values=tokens.values * 50 + 1000, positions=tokens.positions + 59_000)
    scaling = rm.Scaling.fit(far)
    model, by_hand = classifier(), classifier()
    rm.train(model, far, quiet(), scaling=scaling, out=tmp_path / "run", validation=far[:4])
    rm.train(by_hand, scaling.apply(far), quiet(), validation=scaling.apply(far)[:4])
    assert_same_weights(model, by_hand)
    assert rm.RoMAEForPrediction.from_pretrained(tmp_path / "run").scaling == scaling


# -- evaluation -------------------------------------------------------------------------------------------


def test_evaluation_has_no_dropout_and_always_the_same_draws():
    model = autoencoder(dropout=0.5, drop_path=0.5)
    # too slow to change anything: whatever differs between epochs would be noise
    config = quiet(epochs=5, learning_rate=1e-12, optimizer="sgd", evaluate_every=1)
    history = rm.train(model, waves(), config, validation=waves(LENGTHS[:6], seed=1)).history
    losses = [line["validation_loss"] for line in history]
    assert losses == pytest.approx([losses[0]] * 5, abs=1e-9)
    assert len({line["loss"] for line in history}) == 5


def test_evaluation_puts_the_mode_of_the_model_back():
    from accelerate import Accelerator

    model = classifier(dropout=0.5)
    modes = []
    model.register_forward_hook(lambda module, given, output: modes.append(module.training))
    batches = [BatchReader(waves(), None, None, None, 0, 0)[(np.arange(8), True)]]
    for was_training in (True, False):
        model.train(was_training)
        first, second = (validate(model, batches, Accelerator(cpu=True)) for _ in range(2))
        assert first == second
        assert model.training == was_training
    assert modes == [False] * 4


def test_validation_samples_are_never_trained_on():
    tokens = waves()
    models = [classifier(), classifier()]
    rm.train(models[0], tokens, quiet(evaluate_every=4), validation=waves(seed=1))
    rm.train(models[1], tokens, quiet(evaluate_every=4))
    assert_same_weights(*models)


def test_the_result_of_evaluation_does_not_depend_on_its_batches():
    results = []
    for size in (1, 4, 100):
        config = quiet(batch_size=size, max_steps=1, learning_rate=1e-12, optimizer="sgd")
        results.append(rm.train(classifier(), waves(), config, validation=waves(seed=1)).history[-1])
    keys = [k for k in results[0] if k.startswith("validation_")]
    assert {"validation_loss", "validation_accuracy", "validation_macro_f1"} <= set(keys)
    for one, other in itertools.pairwise(results):
        assert [one[k] for k in keys] == pytest.approx([other[k] for k in keys], abs=1e-6)


def test_the_best_weights_come_back_and_patience_ends_the_run(tmp_path):
    model = classifier()
    # so fast that it gets worse sooner or later
    config = quiet(epochs=200, learning_rate=0.03, patience=3, evaluate_every=1, clip=0.0)
    validation = waves(LENGTHS[:8], seed=5).with_targets(1 - waves(LENGTHS[:8]).targets)
    result = rm.train(model, waves(), config, validation=validation, out=tmp_path / "run")
    losses = [line["validation_loss"] for line in result.history]
    assert len(losses) == result.best_epoch + 3 < 200
    assert result.best == min(losses) == losses[result.best_epoch - 1]
    assert_same_weights(model, tmp_path / "run" / "best")
    again = rm.train(
        rm.RoMAEForPrediction.from_pretrained(tmp_path / "run"),
        waves(),
        quiet(max_steps=1, learning_rate=1e-12, optimizer="sgd"),
        validation=validation,
    )
    assert again.best == pytest.approx(result.best, abs=1e-5)
    assert not model.training


def test_higher_is_better_for_accuracy():
    result = rm.train(classifier(), waves(), quiet(epochs=20, monitor="accuracy"), validation=waves(seed=1))
    assert result.best == max(line["validation_accuracy"] for line in result.history)


def test_an_unknown_monitor_says_what_there_is():
    with pytest.raises(ValueError, match=r"monitor must be one of \['loss'\], got 'acuracy'"):
        rm.train(autoencoder(), waves(), quiet(monitor="acuracy"), validation=waves())


def test_a_metric_that_is_never_a_number_chooses_nothing(tmp_path):
    tokens = waves().with_targets(np.linspace(0, 1, 21))
    torch.manual_seed(0)
    model = rm.RoMAEForPrediction(classifier().config, outputs=1)
    result = rm.train(model, tokens, quiet(monitor="r2"), validation=tokens[:1], out=tmp_path / "run")
    assert result.best is None
    assert "NaN" not in (tmp_path / "run" / "metrics.jsonl").read_text()


@pytest.mark.parametrize("outputs", [1, 3])
def test_numbers_are_learned(outputs):
    tokens = waves(LENGTHS[:8])
    targets = np.random.default_rng(0).normal(size=(8, outputs)).astype(np.float32)
    torch.manual_seed(0)
    model = rm.RoMAEForPrediction(classifier().config, outputs=outputs)
    rm.train(model, tokens.with_targets(targets), quiet(epochs=150, batch_size=8, learning_rate=1e-2))
    logits = model(rm.TokenBatch.collate(tokens)).logits.detach().numpy()
    assert np.square(logits - targets).mean() < 0.1 * np.square(targets - targets.mean(0)).mean()


def test_a_predictor_without_targets_is_a_clear_error():
    with pytest.raises(ValueError, match="needs targets"):
        rm.train(classifier(), waves().with_targets(None), quiet())


@pytest.mark.parametrize("empty", ["tokens", "validation"])
def test_no_samples_are_a_clear_error(empty):
    given = {"tokens": waves(), "validation": waves()} | {empty: waves()[:0]}
    with pytest.raises(ValueError, match=r"there are no (training|validation) samples"):
        rm.train(autoencoder(), given["tokens"], quiet(), validation=given["validation"])


def test_validation_weights_count_as_those_of_training_do():
    validation, weight = waves(LENGTHS[:6], seed=1), np.r_[np.ones(4), np.zeros(2)]
    config = quiet(max_steps=3)
    weighted = rm.train(classifier(), waves(), config, validation=validation, validation_weight=weight)
    fewer = rm.train(classifier(), waves(), config, validation=validation[:4])
    assert weighted.best == pytest.approx(fewer.best, abs=1e-6)


def test_what_is_no_model_and_what_are_no_tokens_is_named():
    with pytest.raises(TypeError, match="needs a RoMAEForPreTraining or RoMAEForPrediction, got RoMAEClassifier"):
        rm.train(rm.RoMAEClassifier(), waves(), quiet())
    with pytest.raises(TypeError, match="needs a TokenSet or another Source, got list; make tokens of it first"):
        rm.train(classifier(), [[1.0, 2.0]], quiet())
    with pytest.raises(TypeError, match="got dict"):
        rm.train(classifier(), waves(), quiet(), validation={"a": 1})


def test_whole_numbers_that_are_no_class_of_the_model_are_a_clear_error():
    tokens = waves().with_targets(np.arange(len(waves())) % 8)
    with pytest.raises(ValueError, match=r"classes, 0 to 1 for a model with outputs=2; got 0 to 7"):
        rm.train(classifier(), tokens, quiet())
    with pytest.raises(ValueError, match="targets that are numbers"):
        rm.train(classifier(), waves().with_targets(["a"] * len(waves())), quiet())


@pytest.mark.parametrize("given", [{"epochs": 1.5}, {"batch_size": 2.5}, {"max_steps": 0}, {"accumulate": True}])
def test_what_is_counted_is_a_whole_number(given):
    with pytest.raises(ValueError, match="must be a whole number of at least 1"):
        rm.TrainingConfig(**given)


def per_token(outputs: int = 2) -> rm.RoMAEForPrediction:
    model = classifier()
    return rm.RoMAEForPrediction(model.config, outputs=outputs, per="token")


def test_what_is_learned_is_what_the_model_answers_whatever_else_the_tokens_carry():
    tokens = waves()
    numbers = np.ones((tokens.n_tokens, 2))
    both = rm.TokenSet(
        tokens.values,
        tokens.positions,
        tokens.lengths,
        schema=tokens.schema,
        targets=np.arange(len(tokens)) % 9,
        token_targets=numbers,
    )
    assert rm.train(per_token(), both, quiet()).history
    own = both.with_targets(np.arange(len(tokens)) % 2)
    alone = tokens.with_targets(own.targets)
    assert rm.train(classifier(), own, quiet()).history[0]["loss"] == pytest.approx(
        rm.train(classifier(), alone, quiet()).history[0]["loss"]
    )
    with pytest.raises(ValueError, match="predictor of tokens needs token_targets"):
        rm.train(per_token(), alone, quiet())


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (np.r_[np.nan, np.zeros(15)], "targets must be finite, "),
        (np.zeros((16, 2), int), "one a sample, got"),
        (np.full(16, -1), "classes, 0 to 1"),
        (np.full(16, 5), "classes, 0 to 1"),
    ],
)
def test_targets_that_cannot_be_learned_are_a_clear_error(targets, message):
    tokens = waves()
    targets = np.resize(targets, (len(tokens), *targets.shape[1:]))
    with pytest.raises(ValueError, match=message):
        rm.train(classifier(), tokens.with_targets(targets), quiet())


@pytest.mark.parametrize("name", ["clip", "weight_decay", "patience", "evaluate_every", "warmup_steps", "max_seconds"])
def test_settings_below_zero_are_errors(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 0"):
        rm.TrainingConfig(**{name: -1})
