"""Augmented images, disjoint splits, and both profiles on a small archive."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reproduce.run import measure
from reproduce.tinyimagenet import experiment
from reproduce.tinyimagenet.data import AugmentedImages, split
from tests.reproduce.archives import write_tiny_imagenet

TOY = {"width": 24, "heads": 2, "depth": 1, "decoder": {"width": 24, "heads": 2, "depth": 1}}


@pytest.fixture
def photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tiny_imagenet(tmp_path / "tiny-imagenet" / "tiny-imagenet-200.zip", n_classes=4)
    monkeypatch.setenv("ROMAE_DATA", str(tmp_path))


def test_version_0_is_the_image_and_others_are_cropped_and_mirrored() -> None:
    ramp = np.broadcast_to(np.arange(0, 256, 4, dtype=np.uint8)[None, :, None], (64, 64, 3))
    images = np.stack([ramp] * 20)
    versions = AugmentedImages(images, 64, n_views=3)
    assert len(versions) == 60
    assert (versions[:20] == images).all()
    others = versions[20:].astype(float)
    is_mirrored = others[:, :, 0].mean((1, 2)) > others[:, :, -1].mean((1, 2))
    assert 10 < is_mirrored.sum() < 30
    assert (np.ptp(others, axis=(1, 2, 3)) < 253).any(), "crops remove the margin"
    assert (np.ptp(others, axis=(1, 2, 3)) > 250 * 0.85).all(), "crops remove no more than the margin"
    assert (versions[[45, 3]] == np.stack([others[25], ramp])).all(), "versions do not depend on the order of indexing"
    assert not (AugmentedImages(images, 64, 3, seed=1)[20:] == others).all()


def test_images_are_resized() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    assert AugmentedImages(images, 32)[:].shape == (2, 32, 32, 3)
    assert AugmentedImages(images, 32)[:].mean() == pytest.approx(images.mean(), abs=3)


def test_training_and_test_images_are_disjoint(photographs: None) -> None:
    training, test = split("train", 4, None, 64, 8, n_views=2), split("val", 4, None, 64, 8)
    assert len(training) == 2 * 4 * 8
    assert len(test) == 4 * 4
    known = {part.tobytes() for part in training[:].values.reshape(len(training), -1)}
    assert not known & {part.tobytes() for part in test[:].values.reshape(len(test), -1)}
    assert np.asarray(training.targets)[:32].tolist() == np.asarray(training.targets)[32:].tolist()


@pytest.mark.parametrize("profile", ["quick", "paper"])
def test_both_profiles_run_at_toy_size(photographs: None, tmp_path: Path, profile: str) -> None:
    published = experiment.EXPERIMENT
    small = {"n_classes": 4, "n_per_class": None, "n_views": 2, "size": 64, "patch": 32}
    small |= {"model": {**published.profiles[profile].settings["model"], **TOY}}
    result = json.loads(measure(replace(published, trial=small), profile, 0, runs=tmp_path, is_trial=True).read_text())
    values = [m["value"] for m in result["measures"]]
    assert [m["dataset"].split(", ")[-1] for m in result["measures"]] == [
        r.dataset.split(", ")[-1] for r in published.references
    ]
    assert values[3:] == pytest.approx([values[0] - values[2], values[1] - values[2]])


def test_name_states_a_part_of_the_dataset() -> None:
    assert experiment.dataset(experiment.PAPER) == "Tiny ImageNet"
    assert experiment.dataset(experiment.QUICK) == "Tiny ImageNet, 50 classes x 200"


def test_batch_sizes_and_epochs_are_the_published_ones() -> None:
    for kind, epochs in (("pretraining", 200), ("fine_tuning", 15)):
        chosen = experiment.PAPER[kind]
        assert chosen["batch_size"] * chosen["accumulate"] == 1024
        assert chosen["epochs"] * experiment.PAPER["n_views"] == epochs
