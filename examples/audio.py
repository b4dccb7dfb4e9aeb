"""Environmental sounds (ESC-10): log-mel patches, pre-training, ten classes, reconstruction of masked patches.

    python examples/audio.py --out runs/audio

400 clips of 4 to 7 seconds at their own lengths; the fifth fold is held out. The clips are downloaded with all of
ESC-50 (600 MB), unless ROMAE_DATA has them. Needs the extra ``audio``. Takes some minutes on two cores.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestClassifier

import rotary_mae as rm
from rotary_mae.datasets import load_esc10


def mel_features(tokens: rm.TokenSet) -> np.ndarray:
    """Return the mean and standard deviation over time of each of the 128 mel bands."""
    return np.stack([np.r_[s.mean(0), s.std(0)] for s in rm.spectrograms_from_tokens(tokens)])


def main(out: Path, folds: Sequence[int], epochs: int) -> None:
    """Train on ``folds``, evaluate on fold 5, and plot reconstructions."""
    train, test = (load_esc10(fold, patch=(16, 32))[:] for fold in (folds, [5]))  # [:] decodes all clips into memory

    embedder = rm.RoMAEEmbedder(size="tiny-shallow", epochs=epochs, random_state=0, verbose=1).fit(train)
    classifier = rm.RoMAEClassifier(init=embedder, epochs=epochs, random_state=0, verbose=1).fit(train)

    baseline = RandomForestClassifier(300, random_state=0).fit(mel_features(train), train.targets)
    print(f"held-out accuracy: RoMAE {classifier.score(test):.3f}", end=", ")
    print(f"random forest on mel bands {baseline.score(mel_features(test), test.targets):.3f}")

    out.mkdir(parents=True, exist_ok=True)
    rm.plot_reconstruction(embedder, test[::27], fraction=0.5).savefig(out / "audio.png")
    print(f"original, visible and reconstructed spectrograms: {out / 'audio.png'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/audio"), help="folder of the plot")
    parser.add_argument("--folds", type=int, nargs="+", default=[1, 2, 3, 4], help="training folds")
    parser.add_argument("--epochs", type=int, default=20, help="epochs of each training")
    main(**vars(parser.parse_args()))
