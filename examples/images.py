"""Photographs of Tiny ImageNet, decoded on demand: pre-training, ten classes, reconstruction of masked patches.

    python examples/images.py --out runs/images

100 training and 50 validation images of each of ten classes, 64 x 64 pixels in 64 patches. The archive (240 MB) is
downloaded, unless ROMAE_DATA has it. Needs the extra ``images``. Takes some minutes on two cores.
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestClassifier

import rotary_mae as rm
from rotary_mae.datasets import load_tiny_imagenet


def patch_colours(images: rm.LazyImages) -> np.ndarray:
    """Return the mean colour of each of the 64 patches."""
    return images[:].values.reshape(len(images), 64, 64, 3).mean(2).reshape(len(images), -1)


def main(out: Path, n_per_class: int, epochs: int) -> None:
    """Train on the training images, evaluate on the validation images, and plot reconstructions."""
    train = load_tiny_imagenet("train", n_classes=10, n_per_class=n_per_class)
    test = load_tiny_imagenet("val", n_classes=10)

    embedder = rm.RoMAEEmbedder(size="tiny-shallow", epochs=epochs, random_state=0, verbose=1).fit(train)
    classifier = rm.RoMAEClassifier(init=embedder, epochs=epochs, random_state=0, verbose=1).fit(train)

    baseline = RandomForestClassifier(300, random_state=0).fit(patch_colours(train), train.targets)
    print(f"held-out accuracy: RoMAE {classifier.score(test):.3f}", end=", ")
    print(f"random forest on patch colours {baseline.score(patch_colours(test), test.targets):.3f}, chance 0.1")

    out.mkdir(parents=True, exist_ok=True)
    rm.plot_reconstruction(embedder, test[:500:83], fraction=0.5).savefig(out / "images.png")
    print(f"original, visible and reconstructed images: {out / 'images.png'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/images"), help="folder of the plot")
    parser.add_argument("--n-per-class", type=int, default=100, help="training images per class")
    parser.add_argument("--epochs", type=int, default=10, help="epochs of each training")
    main(**vars(parser.parse_args()))
