"""Small archives in the formats of public sets, for experiments on sets that are not at hand."""

import zipfile
from pathlib import Path

import numpy as np

HEADER = "@problemName {name}\n@timeStamps false\n@missing false\n@univariate false\n@dimensions {channels}\n"
HEADER += "@equalLength true\n@seriesLength {steps}\n@classLabel true {classes}\n@data\n"


def write_uea(
    path: Path, splits: tuple[str, ...] = ("TRAIN", "TEST"), n: int = 12, channels: int = 3, steps: int = 10
) -> None:
    """``<Name>.zip`` of series whose class is their level."""
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
