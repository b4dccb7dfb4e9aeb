"""A compiled model is the same model, and new shapes of batches compile nothing."""

import copy
import pickle

import numpy as np
import pytest
import torch

import rotary_mae as rm
from tests.builders import loud
from tests.training.runs import autoencoder, classifier, quiet, waves

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _fresh():
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    yield
    torch._dynamo.reset()


def batches():
    """Batches of all sorts of shapes; a compiler always takes a size of one for another case."""
    rng = np.random.default_rng(0)
    for n in (8, 1, 3, 12, 5):
        yield rm.TokenBatch.collate(waves(rng.integers(2, 20, n), seed=n)).hide(0.5, seed=n)


def answers_and_gradients(model, batch):
    output = model(batch)
    answer = output.prediction if isinstance(model, rm.RoMAEForPreTraining) else output.logits
    model.zero_grad()
    answer.square().sum().backward()
    return answer.detach(), {name: p.grad for name, p in model.named_parameters()}


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
        expected, expected_gradients = answers_and_gradients(eager, batch)
        got, gradients = answers_and_gradients(compiled, batch)
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
        for name, gradient in gradients.items():
            scale = expected_gradients[name].abs().max().item() + 1.0
            assert (gradient - expected_gradients[name]).abs().max() < 1e-5 * scale, name
        graphs.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    assert graphs[-1] == graphs[1], graphs
    assert not torch._dynamo.utils.counters["graph_break"]


def test_a_compiled_run_trains_as_an_eager_one():
    models = [classifier(), classifier()]
    results = [rm.train(m, waves(), quiet(compile=c)) for m, c in zip(models, (False, True), strict=True)]
    losses = [[line["loss"] for line in result.history] for result in results]
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)


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


def test_compile_takes_no_arguments():
    with pytest.raises(TypeError, match="compile takes no arguments"):
        classifier().compile(dynamic=False)
