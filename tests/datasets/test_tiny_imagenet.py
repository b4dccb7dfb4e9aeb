"""Tiny ImageNet: small archives in its format, and the original images."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from rotary_mae.data.images import images_from_tokens
from rotary_mae.datasets import load_tiny_imagenet
from rotary_mae.datasets.tiny_imagenet import class_names, read_tiny_imagenet

Image = pytest.importorskip("PIL.Image", reason="pictures need the extra images")


def encoded(colour: tuple[int, int, int] | int) -> bytes:
    file = io.BytesIO()
    mode = "L" if isinstance(colour, int) else "RGB"
    Image.new(mode, (64, 64), colour).save(file, "JPEG", quality=95)
    return file.getvalue()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.zip"
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr("tiny/wnids.txt", "n2\nn1\n")
        opened.writestr("tiny/words.txt", "n1\tred fox\nn2\tblue jay, bird\n")
        for kind, colour in (("n1", (255, 0, 0)), ("n2", (0, 0, 255))):
            for i in range(3):
                opened.writestr(f"tiny/train/{kind}/images/{kind}_{i}.JPEG", encoded(colour))
        opened.writestr("tiny/val/val_annotations.txt", "val_0.JPEG\tn2\t0\t0\t9\t9\nval_1.JPEG\tn1\t0\t0\t9\t9\n")
        opened.writestr("tiny/val/images/val_0.JPEG", encoded((0, 0, 255)))
        opened.writestr("tiny/val/images/val_1.JPEG", encoded(100))
        opened.writestr("tiny/test/images/test_0.JPEG", encoded(1))
    return path


def test_images_have_their_class(archive: Path) -> None:
    train = read_tiny_imagenet(archive)
    assert train.targets.tolist() == ["n1"] * 3 + ["n2"] * 3
    assert train.ids.tolist()[:2] == ["n1_0.JPEG", "n1_1.JPEG"]
    pictures = images_from_tokens(train[[0, 5]])
    assert pictures.shape == (2, 64, 64, 3)
    np.testing.assert_allclose(pictures[:, 0, 0], [[1, 0, 0], [0, 0, 1]], atol=0.02)
    assert train.lengths.tolist() == [64] * 6


def test_validation_labels_are_read_from_their_file_and_grey_images_get_colours(archive: Path) -> None:
    held_out = read_tiny_imagenet(archive, "val", patch=(32, 32))
    assert held_out.targets.tolist() == ["n2", "n1"]
    np.testing.assert_allclose(images_from_tokens(held_out[1:])[0, 9, 9], [100 / 255] * 3, atol=0.01)


def test_n_classes_chooses_the_first_classes_of_the_list(archive: Path) -> None:
    assert read_tiny_imagenet(archive, n_classes=1).targets.tolist() == ["n2"] * 3
    assert read_tiny_imagenet(archive, n_per_class=2).ids.tolist() == [
        f"{k}_{i}.JPEG" for k in ("n1", "n2") for i in (0, 1)
    ]
    assert class_names(archive)["n2"] == "blue jay, bird"


def test_wrong_arguments_and_archives_are_errors(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"split must be one of .* got 'test'"):
        read_tiny_imagenet(archive, "test")
    with pytest.raises(ValueError, match="n_classes must be at least 1 and at most 2, got 3"):
        read_tiny_imagenet(archive, n_classes=3)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as opened:
        opened.writestr("words.txt", "")
    with pytest.raises(ValueError, match=r"should hold one file wnids\.txt, it holds 0"):
        read_tiny_imagenet(tmp_path / "other.zip")


@pytest.mark.slow
def test_the_original_images(need_originals) -> None:
    need_originals("tiny-imagenet/tiny-imagenet-50x200.zip")
    train, held_out = load_tiny_imagenet(), load_tiny_imagenet("val")
    assert (len(train), len(held_out)) == (10_000, 2_500)
    kinds, counts = np.unique(held_out.targets, return_counts=True)
    assert counts.tolist() == [50] * 50
    assert set(kinds) == set(train.targets)
    pixels = images_from_tokens(train[np.arange(0, 10_000, 100)])
    assert pixels.shape == (100, 64, 64, 3)
    assert 0.3 < pixels.mean() < 0.6
    assert len(load_tiny_imagenet(n_classes=10, n_per_class=30)) == 300
