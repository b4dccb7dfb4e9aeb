"""Small archives in the formats of public datasets, to run experiments whose data are not available."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

HEADER = "@problemName {name}\n@timeStamps false\n@missing false\n@univariate false\n@dimensions {channels}\n"
HEADER += "@equalLength true\n@seriesLength {steps}\n@classLabel true {classes}\n@data\n"


def write_uea(
    path: Path, splits: tuple[str, ...] = ("TRAIN", "TEST"), n: int = 12, channels: int = 3, steps: int = 10
) -> None:
    """Write ``<Name>.zip`` of series whose class is their mean."""
    rng = np.random.default_rng(0)
    classes = ("normal", "abnormal")
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for split in splits:
            lines = []
            for i in range(n):
                values = rng.normal(3 * (i % 2), 1, (channels, steps))
                lines.append(":".join(",".join(f"{v:.4f}" for v in row) for row in values) + f":{classes[i % 2]}")
            head = HEADER.format(name=path.stem, channels=channels, steps=steps, classes=" ".join(classes))
            archive.writestr(f"{path.stem}_{split}.ts", head + "\n".join(lines) + "\n")


def write_snana(
    folder: Path,
    stem: str,
    head: list[tuple],
    phot: list[tuple],
    ending: str = "FITS",
    band: str = "BAND",
    prefix: str = "",
) -> Path:
    """Write HEAD (id, rows, type) and PHOT (time, band, flag, flux, error) tables; return the path of HEAD."""
    fits = pytest.importorskip("astropy.io.fits")
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "HEAD": (head, [("SNID", "16A"), ("PTROBS_MIN", "1J"), ("PTROBS_MAX", "1J"), ("SNTYPE", "1J")]),
        "PHOT": (
            [(time, prefix + name if name else "-", *rest) for time, name, *rest in phot],
            [("MJD", "1D"), (band, "8A"), ("PHOTFLAG", "1J"), ("FLUXCAL", "1E"), ("FLUXCALERR", "1E")],
        ),
    }
    for kind, (rows, columns) in tables.items():
        made = [
            fits.Column(name=name, format=kind_, array=np.array(column))
            for (name, kind_), column in zip(columns, zip(*rows, strict=True), strict=True)
        ]
        fits.BinTableHDU.from_columns(made).writeto(folder / f"{stem}_{kind}.{ending}", overwrite=True)
    return folder / f"{stem}_HEAD.{ending}"


def write_atat(path: Path, n: int = 12, steps: int = 9, n_classes: int = 3) -> dict[str, np.ndarray]:
    """Write an ATAT file and return its arrays; the last light curve has no alert."""
    h5py = pytest.importorskip("h5py")
    rng = np.random.default_rng(0)
    shape = (n, steps, 6)
    is_observed = np.arange(steps)[None, :, None] < rng.integers(1, steps, (n, 1, 6))
    labels = np.arange(n) % n_classes
    mask = is_observed.astype(float)
    alert = mask * (np.arange(n) < n - 1)[:, None, None] * (np.arange(steps) < steps // 2)[None, :, None]
    rows = np.arange(n)
    written = {
        "data": mask * rng.normal(3.0 * labels[:, None, None], 1, shape),
        "data-var": mask * rng.uniform(0.1, 1, shape),
        "time": mask * np.sort(rng.uniform(0, 100, shape), axis=1),
        "mask": mask,
        "mask_alert": alert,
        "labels": labels,
        "SNID": rng.permutation(1000)[:n],
        "training_0": rows[rows % 4 < 2],
        "validation_0": rows[rows % 4 == 2],
        "test": rows[rows % 4 == 3],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, array in written.items():
            file.create_dataset(name, data=array)
    return written


def tone(hertz: float, seconds: float, kind: str) -> bytes:
    """Return the bytes of an audio file of one tone."""
    soundfile = pytest.importorskip("soundfile")
    file = io.BytesIO()
    rng = np.random.default_rng(0)
    wave = 0.4 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * 16_000)) / 16_000)
    soundfile.write(file, wave + rng.normal(0, 0.01, len(wave)), 16_000, format=kind)
    return file.getvalue()


def write_esc50(path: Path, n_per_class: int = 2) -> None:
    """Write an archive like ESC-50: 5 folds of two classes, a low and a high tone, both in ESC-10."""
    lines, files = ["filename,fold,target,category,esc10,src_file,take"], {}
    for fold in range(1, 6):
        for i in range(2 * n_per_class):
            name = f"{fold}-{i}-A-{i % 2}.wav"
            lines.append(f"{name},{fold},{i % 2},{('cow', 'cricket')[i % 2]},True,{i},A")
            files[name] = tone((300, 4000)[i % 2] * (1 + 0.05 * fold), 0.5, "WAV")
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ESC-50-master/meta/esc50.csv", "\n".join(lines) + "\n")
        for name, content in files.items():
            archive.writestr(f"ESC-50-master/audio/{name}", content)


def write_audio_files(folder: Path, n: int) -> None:
    """Write folders like LibriSpeech, speaker / chapter / utterance.flac, with clips of growing length."""
    for i in range(n):
        path = folder / "84" / str(i) / f"{i}.flac"
        path.parent.mkdir(parents=True)
        path.write_bytes(tone(500 * (i + 1), 0.4 * (i + 1), "FLAC"))


def write_tiny_imagenet(path: Path, n_classes: int = 4, n_train: int = 8, n_val: int = 4) -> None:
    """Write an archive like Tiny ImageNet: images of noise in the colour of their class."""
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    wnids = [f"n{i:08d}" for i in range(n_classes)]

    def image_file(label: int) -> bytes:
        file = io.BytesIO()
        pixels = rng.integers(0, 60, (64, 64, 3)) + 40 * label
        image.fromarray(pixels.astype(np.uint8)).save(file, format="JPEG")
        return file.getvalue()

    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny-imagenet-200/wnids.txt", "\n".join(wnids) + "\n")
        lines = []
        for label, wnid in enumerate(wnids):
            for i in range(n_train):
                archive.writestr(f"tiny-imagenet-200/train/{wnid}/images/{wnid}_{i}.JPEG", image_file(label))
            for i in range(n_val):
                name = f"val_{label}_{i}.JPEG"
                archive.writestr(f"tiny-imagenet-200/val/images/{name}", image_file(label))
                lines.append(f"{name}\t{wnid}\t0\t0\t9\t9")
        archive.writestr("tiny-imagenet-200/val/val_annotations.txt", "\n".join(lines) + "\n")
