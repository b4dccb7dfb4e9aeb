"""Sources that tell nothing but their samples, caches in any order, and several values of a channel."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import rotary_mae as rm
from rotary_mae.data.sources import Subset, adapt_source
from tests.estimators.small import quick


class Bare:
    """What a source must have, and nothing else: a length, and samples for an array of indices."""

    def __init__(self, tokens: rm.TokenSet) -> None:
        self.tokens = tokens

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, indices: Any) -> rm.TokenSet:
        assert isinstance(indices, np.ndarray)
        return self.tokens[indices]


def levels(n: int = 48) -> rm.TokenSet:
    """Two classes, one after the other, that differ in their level."""
    rng = np.random.default_rng(0)
    is_high = np.arange(n) >= n // 2
    values = rng.normal(size=(n, 6)) + 4.0 * is_high[:, None]
    names = np.array([f"star {i}" for i in range(n)])
    targets = np.where(is_high, "high", "low")
    return rm.TokenSet(values.ravel(), np.tile(np.arange(6.0), n), [6] * n, ids=names, targets=targets)


def test_a_bare_source_is_as_good_as_its_tokens() -> None:
    tokens = levels()
    whole = rm.RoMAEClassifier(**quick()).fit(tokens)
    bare = rm.RoMAEClassifier(**quick()).fit(Bare(tokens))
    assert np.array_equal(bare.predict_proba(Bare(tokens)), whole.predict_proba(tokens))
    by_id = dict(zip(tokens.ids.tolist(), np.asarray(tokens.targets).tolist(), strict=True))
    keyed = rm.RoMAEClassifier(**quick()).fit(Bare(tokens), by_id)
    assert np.array_equal(keyed.predict_proba(Bare(tokens)), whole.predict_proba(tokens))
    embedder = rm.RoMAEEmbedder(**quick()).fit(Bare(tokens))
    assert np.array_equal(embedder.transform(Bare(tokens)), rm.RoMAEEmbedder(**quick()).fit(tokens).transform(tokens))
    at = [[2.5]] * len(tokens)
    interpolator = rm.RoMAEInterpolator(**quick()).fit(Bare(tokens))
    assert np.array_equal(interpolator.predict(Bare(tokens), at=at)[3], interpolator.predict(tokens, at=at)[3])


def test_a_bare_source_trains_in_the_deep_layer() -> None:
    tokens = levels().with_targets(None)
    config = rm.RoMAEConfig(n_values=1, n_axes=1, width=16, heads=1, depth=1)
    training = rm.TrainingConfig(epochs=1, progress=False)
    assert np.isfinite(rm.train(rm.RoMAEForPreTraining(config), Bare(tokens), training).history[-1]["loss"])
    for wrong in ([1, 2], "tokens", np.zeros((3, 4)), {"a": 1}):
        with pytest.raises(TypeError, match="from_frame or from_arrays"):
            rm.train(rm.RoMAEForPreTraining(config), wrong, training)


def test_what_a_source_does_not_tell_is_not_read_unless_it_is_asked_for() -> None:
    class Counted(Bare):
        n_read = 0

        def __getitem__(self, indices: Any) -> rm.TokenSet:
            self.n_read += len(indices)
            return super().__getitem__(indices)

    source = Counted(levels(200))
    described = adapt_source(source)
    assert adapt_source(described) is described
    part = Subset(described, np.arange(100))
    assert adapt_source(part) is part
    assert source.n_read < 10
    assert len(described.ids) == 200


def test_a_cache_sorted_by_class_is_learned_as_well_as_tokens_in_memory(tmp_path: Path) -> None:
    tokens = levels(240)
    cache = rm.write_cache(tokens, tmp_path / "cache")
    fitted = rm.RoMAEClassifier(**{**quick(), "epochs": 6}).fit(cache)
    assert fitted.score(cache) > 0.95


@pytest.mark.parametrize("kind", ["classifier", "regressor", "interpolator", "embedder"])
def test_a_fit_that_fails_leaves_the_estimator_as_it_was(kind: str) -> None:
    tokens = levels()
    numbers = np.arange(len(tokens), dtype=float)
    makers: dict[str, Any] = {
        "classifier": (rm.RoMAEClassifier, tokens.targets, np.where(numbers % 2 > 0, "x", "y")),
        "regressor": (rm.RoMAERegressor, numbers, 1e6 * numbers),
        "interpolator": (rm.RoMAEInterpolator, None, None),
        "embedder": (rm.RoMAEEmbedder, None, None),
    }
    make, y, other = makers[kind]
    fitted = make(**quick()).fit(tokens, y)

    def answers() -> Any:
        if kind == "interpolator":
            return np.concatenate(fitted.predict(tokens, at=[[2.5]] * len(tokens), return_std=True)[1])
        return fitted.transform(tokens) if kind == "embedder" else fitted.predict(tokens)

    before, parameters = answers(), set(vars(fitted))
    fitted.set_params(training={"batch_size": -1})
    with pytest.raises(ValueError, match="batch_size"):
        fitted.fit(tokens, other)
    assert np.array_equal(answers(), before)
    assert set(vars(fitted)) == parameters


def two_columns() -> rm.TokenSet:
    """Channels g and r, each measurement with two values: one near 0, one near a million."""
    rng = np.random.default_rng(0)
    n, length = 30, 8
    time, channel = np.tile(np.arange(float(length)), n), rng.integers(0, 2, n * length)
    values = np.column_stack([np.sin(time) + channel, 1e6 + 1e3 * np.cos(time) * (1 + channel)])
    return rm.TokenSet(
        values, np.column_stack([time, channel]), [length] * n, axes=("time", "channel"), channels=("g", "r")
    )


def test_several_values_of_a_channel_are_scaled_each_on_its_own() -> None:
    tokens = two_columns()
    scaling = rm.Scaling.fit(tokens, values="standard")
    scaled = scaling.apply(tokens)
    channel = tokens.positions[:, 1].astype(int)
    for k in (0, 1):
        assert np.allclose(scaled.values[channel == k].mean(0), 0, atol=1e-3)
        assert np.allclose(scaled.values[channel == k].std(0), 1, atol=1e-3)
    back = scaling.undo(scaled.values, channel=channel)
    assert np.allclose(back, tokens.values, rtol=1e-6)
    assert np.allclose(scaling.apply_targets(back, channel=channel), scaled.values, atol=1e-5)
    with pytest.raises(ValueError, match=r"must be \(T, 2\)"):
        scaling.undo(scaled.values[:, 0], channel=channel)
    with pytest.raises(ValueError, match="got a TokenSet"):
        scaling.undo(scaled)


def test_several_values_of_a_channel_are_learned_and_answered(tmp_path: Path) -> None:
    tokens = two_columns()
    rm.RoMAEEmbedder(**quick()).fit(tokens).transform(tokens)
    fitted = rm.RoMAEInterpolator(**{**quick(), "epochs": 60, "context": 2}).fit(tokens)
    at = [[[t, c] for t in (2.0, 5.0) for c in (0, 1)]] * len(tokens)
    mean, std = fitted.predict(tokens, at=at, return_std=True)
    found = np.stack(mean)
    assert found.shape == (30, 4, 2)
    assert np.abs(found[..., 0]).max() < 10
    assert np.abs(found[..., 1] - 1e6).max() < 1e4
    assert (np.stack(std)[..., 1] > 10 * np.stack(std)[..., 0]).all()
    scores = fitted.anomaly_score(tokens)
    assert scores[0].shape == (8, 2)
    assert np.isfinite(np.concatenate(scores)).all()
    fitted.save(tmp_path / "saved")
    again = rm.load(tmp_path / "saved").predict(tokens, at=at)
    assert np.array_equal(np.stack(again), found)


def test_time_need_not_be_the_first_axis() -> None:
    rng = np.random.default_rng(0)
    n, length = 12, 10
    time, channel = np.tile(np.arange(float(length)), n), rng.integers(0, 2, n * length)
    values, lengths = np.sin(time) + channel, [length] * n
    for context in (0, 2):
        config = rm.RoMAEConfig(
            n_values=1, n_axes=2, width=16, heads=1, depth=1, context=context, queries="independent", rope_fraction=0.0
        )
        torch.manual_seed(0)
        model = rm.RoMAEForPreTraining(config).eval()
        answers = []
        for axes, positions in (
            (("time", "channel"), np.column_stack([time, channel])),
            (("channel", "time"), np.column_stack([channel, time])),
        ):
            tokens = rm.TokenSet(values, positions, lengths, axes=axes, channels=("g", "r"))
            answers.append(model(rm.TokenBatch.collate(tokens).hide(0.5, strategy="future", seed=0)).prediction)
        # without rotation only the context knows of positions
        assert torch.allclose(*answers, atol=1e-6)
    swapped = rm.TokenSet(
        values, np.column_stack([channel, time]), lengths, axes=("channel", "time"), channels=("g", "r")
    )
    fitted = rm.RoMAEInterpolator(**quick(hiding="future")).fit(swapped)
    assert len(fitted.forecast(swapped, at=[[[0, 20.0]]] * n)) == n
    with pytest.raises(ValueError, match=r"last at 9\.0"):
        fitted.forecast(swapped, at=[[[0, 8.0]]] * n)
