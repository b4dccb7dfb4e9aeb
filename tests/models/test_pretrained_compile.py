"""A compiled model computes the same as the eager one, and new batch shapes compile nothing."""

import copy
import pickle

import numpy as np
import pytest
import torch

import rotary_mae as rm
from tests.builders import loud
from tests.training.runs import autoencoder, classifier, waves

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _fresh():
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    yield
    torch._dynamo.reset()


def batches():
    """Yield batches of different shapes; a compiler always treats a size of one as another case."""
    rng = np.random.default_rng(0)
    for n in (8, 1, 3, 12, 5):
        yield rm.TokenBatch.collate(waves(rng.integers(2, 20, n), seed=n)).hide(0.5, seed=n)


def predictions_and_gradients(model, batch):
    output = model(batch)
    prediction = output.prediction if isinstance(model, rm.RoMAEForPreTraining) else output.logits
    model.zero_grad()
    prediction.square().sum().backward()
    return prediction.detach(), {name: p.grad for name, p in model.named_parameters()}


@pytest.mark.parametrize(
    ("make", "changes"),
    [(autoencoder, {"queries": "joint"}), (autoencoder, {"queries": "independent"}), (classifier, {})],
)
def test_compiled_is_eager_without_new_graphs_for_new_shapes(make, changes):
    eager = loud(make(decoder={"width": 24, "heads": 2, "depth": 2, "hidden": 40}, **changes))
    compiled = copy.deepcopy(eager)
    compiled.compile()
    graphs = []
    for batch in batches():
        expected, expected_gradients = predictions_and_gradients(eager, batch)
        got, gradients = predictions_and_gradients(compiled, batch)
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
        for name, gradient in gradients.items():
            scale = expected_gradients[name].abs().max().item() + 1.0
            assert (gradient - expected_gradients[name]).abs().max() < 1e-5 * scale, name
        graphs.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    assert graphs[-1] == graphs[1], graphs
    assert not torch._dynamo.utils.counters["graph_break"]


def test_a_compiled_model_can_be_copied_pickled_and_saved(tmp_path):
    model = classifier().eval()
    model.compile()
    batch = rm.TokenBatch.collate(waves())
    expected = model(batch).logits
    model.save_pretrained(tmp_path / "model")
    for other in (
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
        rm.RoMAEForPrediction.from_pretrained(tmp_path / "model"),
    ):
        torch.testing.assert_close(other(batch).logits, expected, atol=1e-5, rtol=1e-5)
