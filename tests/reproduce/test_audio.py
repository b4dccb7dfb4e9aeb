"""No clip is trained on and asked about, and both profiles run on small archives of their formats."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rotary_mae as rm
from reproduce.audio import experiment
from reproduce.audio.augmentation import heard
from reproduce.ensemble import evaluate_ensemble
from reproduce.run import measure
from rotary_mae.datasets import load_audio_folder
from tests.reproduce.archives import write_esc50, write_sounds

TOY = {"width": 24, "heads": 2, "depth": 1, "decoder": {"width": 24, "heads": 2, "depth": 1}}


@pytest.fixture
def sounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("soundfile", reason="sound files need the extra audio")
    write_esc50(tmp_path / "esc50" / "ESC-50-master.zip")
    for folder in experiment.SOURCES.values():
        write_sounds(tmp_path / folder, 3)
    monkeypatch.setenv("ROMAE_DATA", str(tmp_path))
    return tmp_path


def test_a_folder_of_sounds_is_read_in_order_and_lazily(sounds: Path) -> None:
    folder = sounds / "librispeech"
    (folder / "84" / "notes.txt").write_text("no sound")
    clips = load_audio_folder(folder)
    assert isinstance(clips, rm.Source)
    assert clips.ids.tolist() == ["84/0/0.flac", "84/1/1.flac", "84/2/2.flac"]
    assert (np.diff(clips.lengths) > 0).all(), "each as long as it is"
    assert clips[[2, 0]].lengths.tolist() == clips.lengths[[2, 0]].tolist()
    assert clips.targets is None
    assert len(load_audio_folder(folder, n=2)) == 2


def test_a_folder_without_sounds_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no sound"):
        load_audio_folder(tmp_path)
    with pytest.raises(FileNotFoundError, match="is no folder"):
        load_audio_folder(tmp_path / "nowhere")


def test_a_fold_that_is_held_out_is_not_trained_on_in_any_version() -> None:
    tokens = rm.TokenSet(
        np.arange(40.0), np.zeros(40), [1] * 40, ids=np.tile(np.arange(20), 2), targets=np.array(["a", "b"] * 20)
    )
    clips = experiment.Clips(tokens, np.tile(np.repeat([1, 2, 3, 4, 5], 4), 2), np.repeat([0, 1], 20))
    asked: list[int] = []
    for held in (1, 2, 3, 4, 5):
        training, test, n_classes = clips.without(held)
        assert not set(training.ids) & set(test.ids)
        assert len(training) == 32
        assert test.values.max() < 20, "asked as it is"
        assert n_classes == 2
        asked += test.ids.tolist()
    assert sorted(asked) == list(range(20))


def test_versions_of_a_clip_are_of_its_class_and_fold_and_the_first_is_the_clip(sounds: Path) -> None:
    clips = experiment.load_esc50([2], patch=(16, 128))
    made = heard(clips, 3, (0, 2))
    n = len(clips)
    assert made.ids.tolist() == clips.ids.tolist() * 3
    assert np.asarray(made.targets).tolist() == np.asarray(clips.targets).tolist() * 3
    assert (made[:n].values == clips[:].values).all()
    assert (made.lengths == np.tile(clips.lengths, 3)).all(), "as long as it was"
    for other in (made[n : 2 * n], made[2 * n :]):
        assert not np.allclose(other.values, made[:n].values)
    assert not np.allclose(made[n : 2 * n].values, made[2 * n :].values)
    assert (heard(clips, 3, (0, 2)).values == made.values).all(), "follows from the seed"


def test_what_sounds_under_a_clip_is_of_its_class() -> None:
    rng = np.random.default_rng(0)
    loud = [np.full(16_000, 0.5) if is_loud else np.zeros(16_000) for is_loud in (True, False, True, False)]
    clips = rm.LazyAudio(loud, patch=(16, 128), targets=np.array(["loud", "silent"] * 2))
    made = heard(clips, 20, (int(rng.integers(9)),))
    silent = made[np.asarray(made.targets) == "silent"]
    assert np.ptp(silent.values) < 1e-6


def test_without_mixing_nothing_sounds_under_a_clip() -> None:
    tone = 0.5 * np.sin(np.arange(16_000) / 5.0)
    clips = rm.LazyAudio([tone, np.zeros(16_000)], patch=(16, 128), targets=np.array(["one", "one"]))
    silent = np.arange(20) % 2 == 1
    alone, over = (heard(clips, 10, (0,), mixing=mixing)[silent] for mixing in (0.0, 1.0))
    assert np.ptp(alone.values) < 1e-6
    assert np.ptp(over.values) > 1.0


@pytest.mark.parametrize("profile", ["quick", "paper"])
def test_two_updates_at_toy_size(sounds: Path, tmp_path: Path, profile: str) -> None:
    whole = experiment.EXPERIMENT
    small = {"model": {**whole.profiles[profile].settings["model"], **TOY}, "patch": [16, 128]}
    result = json.loads(measure(replace(whole, trial=small), profile, 0, runs=tmp_path, is_trial=True).read_text())
    rows = {(m["dataset"], m["method"]): m["value"] for m in result["measures"]}
    if profile == "paper":
        assert {(r.dataset, "RoMAE") for r in whole.references} == set(rows)
        trained = {path.name for path in (tmp_path / "audio-paper-0-trial").iterdir() if path.is_dir()}
        assert sum(name.endswith("pre-training") for name in trained) == 2, "once a source, not once a fold"
    else:
        assert rows[experiment.ESC_10, experiment.TREES] > 0.7, "bands tell tones apart"


def test_models_of_two_seeds_answer_together(sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment, "load_esc10", experiment.load_esc50)
    whole = experiment.EXPERIMENT
    model = {**whole.profiles["quick"].settings["model"], **TOY}
    small = {**whole.trial, "model": model, "patch": [16, 128]}
    found = evaluate_ensemble(replace(whole, trial=small), "quick", [0, 1], runs=tmp_path, is_trial=True)
    methods = [row["method"] for row in json.loads(found.read_text())["measures"]]
    assert methods == ["RoMAE, mean of 2 models", "RoMAE, mean of 2 models, mean of 2 versions of each clip"]
