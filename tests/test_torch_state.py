"""Independence of torch's global settings, which stay as the caller set them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import pytest
import torch

import rotary_mae as rm
from rotary_mae._torch_state import standard_torch
from tests.estimators.small import MODEL, grid, light_curves, quick, series


@contextmanager
def default_dtype() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def grad_off() -> Iterator[None]:
    torch.set_grad_enabled(False)
    try:
        yield
    finally:
        torch.set_grad_enabled(True)


@contextmanager
def default_device() -> Iterator[None]:
    torch.set_default_device("meta")
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextmanager
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@contextmanager
def low_precision() -> Iterator[None]:
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision("highest")


@contextmanager
def low_precision_of_a_backend() -> Iterator[None]:
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    try:
        yield
    finally:
        torch.backends.mkldnn.matmul.fp32_precision = "none"
        torch.set_float32_matmul_precision("highest")


SETTINGS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "default dtype float64": default_dtype,
    "gradients off": grad_off,
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "default device": default_device,
    "device context": lambda: torch.device("meta"),
    "deterministic algorithms": deterministic,
    "precision of products": low_precision,
    "precision of products of a backend": low_precision_of_a_backend,
}


def state() -> dict[str, Any]:
    """Everything global that must stay as it was."""
    return {
        "dtype": torch.get_default_dtype(),
        "grad": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "autocast": (torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")),
        "device": torch.get_default_device(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "precision": torch.backends.mkldnn.matmul.fp32_precision,
        "threads": torch.get_num_threads(),
    }


FRAME = light_curves(24)


def results(fit: Callable[[], Any], predict: Callable[[Any], Any]) -> Iterator[tuple[str, Any]]:
    """Predictions of an estimator that was fitted, and of one that predicts, with each setting; and without any."""
    yield "none", predict(fit())
    reference = fit()
    for name, setting in SETTINGS.items():
        with setting():
            before = state()
            estimator = fit()
            assert state() == before, name
            predicted = predict(reference)
            assert state() == before, name
        yield f"fit with {name}", predict(estimator)
        yield f"prediction with {name}", predicted


def compare(fit: Callable[[], Any], predict: Callable[[Any], Any]) -> None:
    expected: Any = None
    for name, predicted in results(fit, predict):
        expected = predicted if expected is None else expected
        np.testing.assert_array_equal(predicted, expected, err_msg=name)


def test_a_classifier_does_not_depend_on_settings_of_torch() -> None:
    X, y = series()
    compare(lambda: rm.RoMAEClassifier(**quick(epochs=1)).fit(X, y), lambda est: est.predict_proba(X))


def test_a_regressor_does_not_depend_on_settings_of_torch() -> None:
    X, _ = series()
    y = X.mean((1, 2))
    compare(
        lambda: rm.RoMAERegressor(**quick(epochs=1)).fit(X, y),
        lambda est: np.stack([*est.predict(X, return_std=True), est.score(X, y) * np.ones(len(X))]),
    )


def test_an_embedder_does_not_depend_on_settings_of_torch() -> None:
    X, _ = series()
    compare(
        lambda: rm.RoMAEEmbedder(**quick(epochs=1)).fit(X),
        lambda est: np.column_stack([est.transform(X), np.full(len(X), est.score(X))]),
    )


def test_an_interpolator_does_not_depend_on_settings_of_torch() -> None:
    columns = {"id": "object_id", "time": "mjd", "channel": "band", "value": "flux"}

    def predict(est: Any) -> Any:
        predicted = est.predict(FRAME, at=grid(FRAME), return_std=True)
        scores = est.anomaly_score(FRAME)["anomaly_score"].to_numpy()
        return np.concatenate([predicted["value"], predicted["std"], scores, list(rm.evaluate(est, FRAME).values())])

    compare(lambda: rm.RoMAEInterpolator(columns=columns, **quick(epochs=1)).fit(FRAME), predict)


@pytest.mark.parametrize("name", SETTINGS)
def test_models_are_made_loaded_and_trained_with_any_setting(name: str, tmp_path: Any) -> None:
    tokens = rm.from_arrays(series(channels=1)[0])
    config = rm.RoMAEConfig(n_values=1, n_axes=1, **MODEL)
    training = rm.TrainingConfig(epochs=1, progress=False, device="cpu")
    rm.RoMAEForPreTraining(config).save_pretrained(tmp_path)
    expected = rm.RoMAEForPreTraining.from_pretrained(tmp_path)
    rm.train(expected, tokens, training, scaling=rm.Scaling.fit(tokens))
    with SETTINGS[name]():
        model = rm.RoMAEForPreTraining.from_pretrained(tmp_path)
        rm.train(model, tokens, training, scaling=rm.Scaling.fit(tokens))
        if "device" not in name:
            # a new model is where the caller wants it
            rm.train(rm.RoMAEForPreTraining(config), tokens, training, scaling=rm.Scaling.fit(tokens))
    for weight, of_expected in zip(model.parameters(), expected.parameters(), strict=True):
        assert torch.equal(weight, of_expected)
        assert not weight.is_inference()


def test_the_last_of_several_threads_restores_the_settings() -> None:
    first_is_inside, second_is_inside, first_is_done = threading.Event(), threading.Event(), threading.Event()
    found = []

    def first() -> None:
        with standard_torch():
            first_is_inside.set()
            second_is_inside.wait(10)
        first_is_done.set()

    def second() -> None:
        first_is_inside.wait(10)
        with standard_torch():
            second_is_inside.set()
            first_is_done.wait(10)
            found.append(torch.get_default_dtype())

    with default_dtype():
        threads = [threading.Thread(target=work) for work in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [torch.float32]
        assert torch.get_default_dtype() == torch.float64


def test_settings_are_restored_after_an_error() -> None:
    with default_dtype(), torch.inference_mode():
        before = state()
        with pytest.raises(ValueError, match="0 sample"):
            rm.RoMAEClassifier(**quick()).fit(np.zeros((0, 1, 5)), [])
        assert state() == before
