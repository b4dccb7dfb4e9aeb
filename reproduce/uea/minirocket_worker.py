"""Run by minirocket.py in an environment that has aeon and not this project: fits one problem, prints one line."""

import json
import sys
import time

import numpy as np
from aeon.classification.convolution_based import MiniRocketClassifier


def main(path: str, seed: int) -> None:
    """path: of an npz file with series and labels of both parts."""
    given = np.load(path)
    started = time.perf_counter()
    classifier = MiniRocketClassifier(random_state=seed, n_jobs=1)
    classifier.fit(given["training"], given["training_labels"])
    answers = classifier.predict(given["test"])
    accuracy = float((answers == given["test_labels"]).mean())
    print(json.dumps({"accuracy": accuracy, "seconds": round(time.perf_counter() - started, 1)}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
