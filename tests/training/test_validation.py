"""Metrics on a validation set: independent of batches, dropout and the state of the training."""

import itertools

import numpy as np
import pytest
from accelerate import Accelerator

import rotary_mae as rm
from rotary_mae.training.dataloader import BatchReader
from rotary_mae.training.validation import validate
from tests.training.runs import LENGTHS, assert_same_weights, autoencoder, classifier, quiet, waves


def test_the_mode_of_the_model_is_restored():
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


def test_metrics_do_not_depend_on_batch_composition():
    results = []
    for size in (1, 4, 100):
        config = quiet(batch_size=size, max_steps=1, learning_rate=1e-12, optimizer="sgd")
        results.append(rm.train(classifier(), waves(), config, validation=waves(seed=1)).history[-1])
    keys = [k for k in results[0] if k.startswith("validation_")]
    assert {"validation_loss", "validation_accuracy", "validation_macro_f1"} <= set(keys)
    for one, other in itertools.pairwise(results):
        assert [one[k] for k in keys] == pytest.approx([other[k] for k in keys], abs=1e-6)


def test_evaluations_have_no_dropout_and_the_same_masks():
    model = autoencoder(dropout=0.5, drop_path=0.5)
    # the weights practically stay, so that only dropout and masks could change the loss
    config = quiet(epochs=5, learning_rate=1e-12, optimizer="sgd", evaluate_every=1)
    history = rm.train(model, waves(), config, validation=waves(LENGTHS[:6], seed=1)).history
    losses = [line["validation_loss"] for line in history]
    assert losses == pytest.approx([losses[0]] * 5, abs=1e-9)
    assert len({line["loss"] for line in history}) == 5


def test_validation_samples_of_weight_0_are_left_out():
    validation, weight = waves(LENGTHS[:6], seed=1), np.r_[np.ones(4), np.zeros(2)]
    config = quiet(max_steps=3)
    weighted = rm.train(classifier(), waves(), config, validation=validation, validation_weight=weight)
    fewer = rm.train(classifier(), waves(), config, validation=validation[:4])
    assert weighted.best == pytest.approx(fewer.best, abs=1e-6)


def test_training_does_not_depend_on_the_validation_samples():
    tokens = waves()
    models = [classifier(), classifier()]
    rm.train(models[0], tokens, quiet(evaluate_every=4), validation=waves(seed=1))
    rm.train(models[1], tokens, quiet(evaluate_every=4))
    assert_same_weights(*models)
