"""Handwritten digits with default estimators: ``python -m benchmarks.digits [--seeds 3]`` writes results/digits.json.

Every seed holds out a stratified quarter of the 1797 images of 8 x 8 pixels in scikit-learn. The classifier has default
settings except for its seed; the baseline is logistic regression on the pixels.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

import rotary_mae as rm
from benchmarks.record import run_metadata, write_result

PATCHES = ((2, 2), (4, 4))
BASELINE = "logistic regression on pixels"


def one_seed(seed: int, **settings: Any) -> list[dict[str, Any]]:
    """Return the accuracy of each method on the images that this seed holds out."""
    digits = load_digits()
    pixels, labels = digits.images / 16.0, digits.target
    training, test = train_test_split(np.arange(len(labels)), test_size=0.25, random_state=seed, stratify=labels)
    rows = []
    for patch in PATCHES:
        tokens = rm.from_images(pixels, patch=patch, targets=labels)
        started = time.perf_counter()
        classifier = rm.RoMAEClassifier(random_state=seed, **settings).fit(tokens[training])
        seconds = round(time.perf_counter() - started, 1)
        method = f"RoMAE, patches of {patch[0]} x {patch[1]}"
        rows.append(
            {"method": method, "seed": seed, "accuracy": float(classifier.score(tokens[test])), "seconds": seconds}
        )
        print(rows[-1], flush=True)
    flat = pixels.reshape(len(pixels), -1)
    baseline = LogisticRegression(max_iter=5000).fit(flat[training], labels[training])
    rows.append({"method": BASELINE, "seed": seed, "accuracy": float(baseline.score(flat[test], labels[test]))})
    return rows


def main() -> None:
    """Run all seeds and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    rows = [row for seed in range(parser.parse_args().seeds) for row in one_seed(seed)]
    print(write_result("digits", {"rows": rows, **run_metadata()}))


if __name__ == "__main__":
    main()
