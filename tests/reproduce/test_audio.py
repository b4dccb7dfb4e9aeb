"""No clip is in training and test set, and both profiles run on small archives of their formats."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rotary_mae as rm
from reproduce.audio import experiment
from reproduce.audio.augmentation import clip_versions
from reproduce.ensemble import evaluate_ensemble
from reproduce.run import measure
from tests.reproduce.archives import write_audio_files, write_esc50

TOY = {"width": 24, "heads": 2, "depth": 1, "decoder": {"width": 24, "heads": 2, "depth": 1}}


@pytest.fixture
def clip_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("soundfile", reason="audio files need the extra audio")
    write_esc50(tmp_path / "esc50" / "ESC-50-master.zip")
    for folder in experiment.SOURCES.values():
        write_audio_files(tmp_path / folder, 3)
    monkeypatch.setenv("ROMAE_DATA", str(tmp_path))
    return tmp_path


def test_held_out_fold_is_not_in_the_training_set_in_any_version() -> None:
    tokens = rm.TokenSet(
        np.arange(40.0), np.zeros(40), [1] * 40, ids=np.tile(np.arange(20), 2), targets=np.array(["a", "b"] * 20)
    )
    clips = experiment.Clips(tokens, np.tile(np.repeat([1, 2, 3, 4, 5], 4), 2), np.repeat([0, 1], 20))
    tested: list[int] = []
    for held in (1, 2, 3, 4, 5):
        training, test, n_classes = clips.split_fold(held)
        assert not set(training.ids) & set(test.ids)
        assert len(training) == 32
        assert test.values.max() < 20, "tested without augmentation"
        assert n_classes == 2
        tested += test.ids.tolist()
    assert sorted(tested) == list(range(20))


def test_first_version_is_the_clip_and_others_keep_class_and_length(clip_folders: Path) -> None:
    clips = experiment.load_esc50([2], patch=(16, 128))
    made = clip_versions(clips, 3, (0, 2))
    n = len(clips)
    assert made.ids.tolist() == clips.ids.tolist() * 3
    assert np.asarray(made.targets).tolist() == np.asarray(clips.targets).tolist() * 3
    assert (made[:n].values == clips[:].values).all()
    assert (made.lengths == np.tile(clips.lengths, 3)).all(), "versions keep the length"
    for other in (made[n : 2 * n], made[2 * n :]):
        assert not np.allclose(other.values, made[:n].values)
    assert not np.allclose(made[n : 2 * n].values, made[2 * n :].values)
    assert (clip_versions(clips, 3, (0, 2)).values == made.values).all(), "depends on the seed alone"


def test_mixed_in_clips_are_of_the_same_class() -> None:
    rng = np.random.default_rng(0)
    loud = [np.full(16_000, 0.5) if is_loud else np.zeros(16_000) for is_loud in (True, False, True, False)]
    clips = rm.LazyAudio(loud, patch=(16, 128), targets=np.array(["loud", "silent"] * 2))
    made = clip_versions(clips, 20, (int(rng.integers(9)),))
    silent = made[np.asarray(made.targets) == "silent"]
    assert np.ptp(silent.values) < 1e-6


def test_without_mixing_no_other_clip_is_added() -> None:
    tone = 0.5 * np.sin(np.arange(16_000) / 5.0)
    clips = rm.LazyAudio([tone, np.zeros(16_000)], patch=(16, 128), targets=np.array(["one", "one"]))
    silent = np.arange(20) % 2 == 1
    alone, mixed = (clip_versions(clips, 10, (0,), mixing=mixing)[silent] for mixing in (0.0, 1.0))
    assert np.ptp(alone.values) < 1e-6
    assert np.ptp(mixed.values) > 1.0


@pytest.mark.parametrize("profile", ["quick", "paper"])
def test_both_profiles_run_at_toy_size(clip_folders: Path, tmp_path: Path, profile: str) -> None:
    published = experiment.EXPERIMENT
    small = {"model": {**published.profiles[profile].settings["model"], **TOY}, "patch": [16, 128]}
    result = json.loads(measure(replace(published, trial=small), profile, 0, runs=tmp_path, is_trial=True).read_text())
    rows = {(m["dataset"], m["method"]): m["value"] for m in result["measures"]}
    if profile == "paper":
        assert {(r.dataset, "RoMAE") for r in published.references} == set(rows)
        trained = {path.name for path in (tmp_path / "audio-paper-0-trial").iterdir() if path.is_dir()}
        assert sum(name.endswith("pre-training") for name in trained) == 2, "once per source, not once per fold"
    else:
        assert rows[experiment.ESC_10, experiment.TREES] > 0.7, "mel bands separate the tones"


def test_ensemble_has_rows_with_and_without_test_time_augmentation(
    clip_folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiment, "load_esc10", experiment.load_esc50)
    published = experiment.EXPERIMENT
    model = {**published.profiles["quick"].settings["model"], **TOY}
    small = {**published.trial, "model": model, "patch": [16, 128]}
    found = evaluate_ensemble(replace(published, trial=small), "quick", [0, 1], runs=tmp_path, is_trial=True)
    methods = [row["method"] for row in json.loads(found.read_text())["measures"]]
    assert methods == ["RoMAE, ensemble of 2", "RoMAE, ensemble of 2, test-time augmentation (2 versions)"]
