"""Steps are dropped in training and test set, and no test sample is in the training set."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rotary_mae as rm
from reproduce.classify import ClassifierResult, SelectedSamples, boosted_trees, encode, settings_of_dataset
from reproduce.ensemble import evaluate_ensemble
from reproduce.features import N_FEATURES, features
from reproduce.run import Run, measure
from reproduce.uea import data, experiment, minirocket
from tests.conftest import has_data
from tests.reproduce.archives import write_uea

TOY = {"width": 24, "heads": 2, "depth": 1, "decoder": {"width": 24, "heads": 2, "depth": 1}}


@pytest.fixture
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in data.SETS:
        write_uea(tmp_path / "uea" / f"{name}.zip")
    monkeypatch.setenv("ROMAE_DATA", str(tmp_path))
    data.problem.cache_clear()
    yield tmp_path
    data.problem.cache_clear()


def test_a_fraction_of_the_steps_of_every_series_is_dropped() -> None:
    tokens = rm.TokenSet(np.arange(180.0), np.tile(np.arange(60.0), 3), [60, 60, 60])
    some = data.drop_steps(tokens, 0.3, seed=1)
    assert some.lengths.tolist() == [42, 42, 42]
    assert (some.values[:, 0] == some.sample_idx * 60 + some.positions[:, 0]).all(), "the other steps keep their times"
    assert (np.diff(some[0].positions[:, 0]) > 0).all()
    assert not np.array_equal(some[0].positions, some[1].positions)
    assert np.array_equal(some.values, data.drop_steps(tokens, 0.3, seed=1).values)
    assert not np.array_equal(some.values, data.drop_steps(tokens, 0.3, seed=2).values)
    kept = np.mean([np.isin(np.arange(60), data.drop_steps(tokens[:1], 0.3, s).positions) for s in range(200)], axis=0)
    assert kept.min() > 0.55
    assert kept.max() < 0.85


def test_dropped_steps_differ_between_training_and_test_set(sets: Path) -> None:
    one, other = data.with_dropped_steps("Epilepsy", 0.3, seed=0), data.with_dropped_steps("Epilepsy", 0.3, seed=1)
    assert one.dataset == "Epilepsy"
    for part in (one.training, one.test):
        assert (part.lengths == 7).all()
    assert not np.array_equal(one.training.positions, one.test.positions)
    assert not np.array_equal(one.test.positions, other.test.positions)
    assert (data.with_dropped_steps("Epilepsy", 0.0, seed=0).test.lengths == 10).all()


def test_published_split_of_heartbeat_is_used_if_available(sets: Path) -> None:
    official = data.problem("Heartbeat")
    assert official.dataset == "Heartbeat"
    assert set(official.test.ids) == {f"test-{i}" for i in range(12)}


def test_held_out_training_samples_have_another_dataset_name(sets: Path) -> None:
    write_uea(sets / "uea" / "Heartbeat.zip", splits=("TRAIN",))
    held = data.problem("Heartbeat")
    assert held.dataset == "Heartbeat, a third of its training set held out"
    assert held.dataset not in {r.dataset for r in experiment.EXPERIMENT.references}
    assert not set(held.training.ids) & set(held.test.ids)
    assert len(held.training) + len(held.test) == 12
    assert np.unique(np.asarray(held.test.targets), return_counts=True)[1].tolist() == [2, 2]


@pytest.mark.slow
def test_heartbeat_of_the_archive() -> None:
    if not has_data("uea"):
        pytest.skip("uea is not under ROMAE_DATA")
    data.problem.cache_clear()
    held = data.problem("Heartbeat")
    assert len(held.training) + len(held.test) in (204, 409)


@pytest.mark.parametrize("profile", ["quick", "paper"])
def test_both_profiles_run_at_toy_size(sets: Path, tmp_path: Path, profile: str) -> None:
    published = experiment.EXPERIMENT
    small = {"model": {**published.profiles[profile].settings["model"], **TOY}, "sets": ["Epilepsy", "Heartbeat"]}
    result = json.loads(measure(replace(published, trial=small), profile, 0, runs=tmp_path, is_trial=True).read_text())
    assert {m["dataset"] for m in result["measures"]} == {"Epilepsy", "Heartbeat"}
    trees = [m["value"] for m in result["measures"] if m["method"].startswith("gradient")]
    assert min(trees) > 0.9, "the mean separates the classes"
    methods = [m["method"] for m in result["measures"]]
    assert methods == ["RoMAE", experiment.TREES] * 2


def test_ensemble_has_a_row_for_the_test_set_of_each_seed(sets: Path, tmp_path: Path) -> None:
    published = experiment.EXPERIMENT
    small = {"model": {**published.profiles["quick"].settings["model"], **TOY}, "sets": ["Epilepsy"]}
    found = evaluate_ensemble(replace(published, trial=small), "quick", [0, 1], runs=tmp_path, is_trial=True)
    rows = json.loads(found.read_text())["measures"]
    assert [(row["dataset"], row["method"]) for row in rows] == [("Epilepsy", "RoMAE, ensemble of 2")] * 2


def test_validation_score_predicts_each_training_series_once_by_a_model_not_trained_on_it(
    sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predicted: list[str] = []

    def constant(
        run: Run, name: str, training: rm.Source, some: rm.TokenSet, n_classes: int, of: Any
    ) -> ClassifierResult:
        trained_on = {str(name) for name in training[:].ids}
        assert not trained_on & set(some.ids)
        predicted.extend(some.ids)
        return ClassifierResult(np.tile([0.75, 0.25], (len(some), 1)), 1, 0.0)

    monkeypatch.setattr(experiment, "classify", constant)
    run = Run(experiment.EXPERIMENT, "quick", 0, tmp_path)
    run.settings["sets"] = ["Epilepsy"]
    loss, _ = experiment.validation_score(run)
    assert sorted(predicted) == sorted(data.problem("Epilepsy").training.ids)
    assert loss == pytest.approx(-np.log([0.75, 0.25]).mean()), "half of the labels are the first class"


def test_settings_of_a_dataset_replace_the_shared_ones() -> None:
    settings = settings_of_dataset(experiment.PAPER, "LSST")
    assert settings["fine_tuning"]["learning_rate"] == 3e-2
    assert settings["fine_tuning"]["optimizer"] == "sgd"
    assert settings["pretraining"]["epochs"] == 400
    assert settings_of_dataset(experiment.QUICK, "Epilepsy")["pretraining"] is None, "None replaces all settings"
    assert settings_of_dataset(experiment.QUICK, "Heartbeat")["pretraining"]["learning_rate"] == 1e-3
    for name in data.SETS:
        chosen = settings_of_dataset(experiment.PAPER, name)
        rm.TrainingConfig.from_dict(chosen["fine_tuning"])
        rm.RoMAEConfig(n_values=3, n_axes=1, **chosen["model"], **chosen["classifier"])


def test_test_classes_missing_in_training_are_an_error() -> None:
    labels, wanted, n = encode(np.array(["b", "a", "b"]), np.array(["a"]))
    assert (labels.tolist(), wanted.tolist(), n) == ([1, 0, 1], [0], 2)
    with pytest.raises(ValueError, match=r"classes \['c'\]"):
        encode(np.array(["b", "a"]), np.array(["c"]))


def test_selected_samples_keep_their_labels_and_are_scaled() -> None:
    tokens = rm.TokenSet(np.arange(10.0), np.arange(10.0), [5, 3, 2], targets=[0, 1, 2])
    some = SelectedSamples(tokens, np.array([2, 0]), np.array([7, 8]), rm.Scaling.fit(tokens, unit=2.0))
    assert len(some) == 2
    one = some[1:]
    assert one.targets is not None
    assert one.targets.tolist() == [8]
    assert one.ids.tolist() == [0]
    assert np.allclose(np.diff(one.positions[:, 0]), 0.5)


def test_features_of_short_series() -> None:
    times = np.r_[np.arange(5.0), np.arange(3.0)]
    tokens = rm.TokenSet(
        np.array([0, 1, 5, 1, 0, 2, 2, 2.0]),
        np.stack([times, np.repeat([0, 1], [5, 3])], 1),
        [8],
        axes=("time", "channel"),
        channels=("a", "b", "c"),
    )
    a, b, c = features(tokens).reshape(3, N_FEATURES)
    assert (a[0], b[0], c[0]) == (5, 3, 0)
    assert a[1] == pytest.approx(7 / 5)
    assert a[-5] == 2, "time of the maximum"
    assert b[2] == 0
    assert np.isnan(c[1:]).all()


def test_boosted_trees_give_probability_0_to_a_class_without_samples() -> None:
    tokens = rm.TokenSet(np.arange(40.0), np.tile(np.arange(4.0), 10), [4] * 10)
    probabilities = boosted_trees(features(tokens), np.repeat([0, 2], 5), features(tokens), 4, seed=0)
    assert probabilities.shape == (10, 4)
    assert (probabilities[:, [1, 3]] == 0).all()
    assert np.allclose(probabilities.sum(1), 1)


def test_regular_grid_interpolates_linearly_between_the_kept_steps() -> None:
    tokens = rm.TokenSet(np.array([[0.0, 1], [4, 1], [5, 3]]), [0.0, 4, 5], [3])
    grid = data.on_regular_grid(tokens, 6)
    assert grid.shape == (1, 2, 6)
    assert grid[0, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert grid[0, 1].tolist() == [1, 1, 1, 1, 1, 3]


def test_record_of_minirocket_is_of_the_same_datasets_and_dropped_steps() -> None:
    assert minirocket.DROPPED == experiment.QUICK["dropped"] == experiment.PAPER["dropped"]
    assert minirocket.recorded("Epilepsy", 10_000) is None
    held_out = minirocket.recorded("Heartbeat, a third of its training set held out", 0)
    assert held_out is not None
    assert held_out["accuracy"] == pytest.approx(0.7647, abs=1e-4)
