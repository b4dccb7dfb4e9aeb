"""Handwritten digits of scikit-learn: pre-training, classification, reconstruction of masked patches.

    python examples/digits.py --out runs/digits

1797 grey images of 8 x 8 pixels in patches of 2 x 2, 16 tokens each. Takes some minutes on two cores.
"""

import argparse
from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

import rotary_mae as rm


def main(out: Path, n: int, epochs: int) -> None:
    """Train on three quarters of the first ``n`` images, evaluate on the others, and plot reconstructions."""
    digits = load_digits()
    images, labels = digits.images[:n], digits.target[:n]
    tokens = rm.from_images(images, patch=(2, 2), targets=labels)
    train, test = train_test_split(range(len(images)), test_size=0.25, stratify=labels, random_state=0)

    embedder = rm.RoMAEEmbedder(size="tiny-shallow", epochs=epochs, random_state=0, verbose=1).fit(tokens[train])
    classifier = rm.RoMAEClassifier(init=embedder, epochs=epochs, random_state=0, verbose=1).fit(tokens[train])

    pixels = images.reshape(len(images), -1)
    baseline = LogisticRegression(max_iter=5000).fit(pixels[train], labels[train])
    print(f"held-out accuracy: RoMAE {classifier.score(tokens[test]):.3f}", end=", ")
    print(f"logistic regression on pixels {baseline.score(pixels[test], labels[test]):.3f}")

    out.mkdir(parents=True, exist_ok=True)
    rm.plot_reconstruction(embedder, tokens[test[:6]], fraction=0.5).savefig(out / "digits.png")
    print(f"original, visible and reconstructed digits: {out / 'digits.png'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/digits"), help="folder of the plot")
    parser.add_argument("--n", type=int, default=1797, help="number of images")
    parser.add_argument("--epochs", type=int, default=30, help="epochs of each training")
    main(**vars(parser.parse_args()))
