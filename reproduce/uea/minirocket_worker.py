"""Fit MiniRocket to one dataset and print one line of JSON.

minirocket.py runs this script in an environment that has aeon but not this project.
"""

import json
import sys
import time

import numpy as np
from aeon.classification.convolution_based import MiniRocketClassifier


def main(path: str, seed: int) -> None:
    """Fit and predict; ``path`` is an npz file with series and labels of the training and test set."""
    data = np.load(path)
    started = time.perf_counter()
    classifier = MiniRocketClassifier(random_state=seed, n_jobs=1)
    classifier.fit(data["training"], data["training_labels"])
    predicted = classifier.predict(data["test"])
    accuracy = float((predicted == data["test_labels"]).mean())
    print(json.dumps({"accuracy": accuracy, "seconds": round(time.perf_counter() - started, 1)}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
