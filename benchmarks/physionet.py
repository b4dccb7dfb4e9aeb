"""PhysioNet 2012: reconstruct what was measured at hidden times, beside mean, last value and straight lines.

``python -m benchmarks.physionet [--steps 1000] [--quick]``. Half of a stay's times are hidden, all variables of a
time together. One token a measurement; the 41 variables include age, sex, height and kind of unit; every variable
is scaled to mean 0 and standard deviation 1 on the training stays. A fifth of the 7990 stays is held out, a
twentieth of the rest chooses the checkpoint. A short pre-training, not the 200 epochs of the paper.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import train_test_split

import rotary_mae as rm
from benchmarks.record import circumstances, write_result
from rotary_mae.batches.hiding import Hiding
from rotary_mae.datasets.physionet2012 import load_physionet2012
from rotary_mae.estimators.inference import batches_by_length
from rotary_mae.training.evaluation import evaluating
from rotary_mae.training.loader import VALIDATION_EPOCH, BatchReader
from rotary_mae.training.reconstruction import HiddenValues

SETTINGS: dict[str, Any] = {
    "model": {"size": "tiny-shallow", "queries": "independent", "context": 4},
    "training": {"batch_size": 16, "learning_rate": 1e-3, "hiding": {"strategy": "times", "fraction": 0.5}},
}


def reconstruct(model: rm.RoMAEForPreTraining, scaling: rm.Scaling, tokens: rm.TokenSet) -> dict[str, float]:
    """Errors on hidden times of held-out stays, in units of each variable's standard deviation."""
    reader = BatchReader(tokens, scaling, Hiding("times", 0.5), None, 0, VALIDATION_EPOCH)
    values = HiddenValues(scaling.schema)
    with evaluating(model):
        for indices in batches_by_length(tokens.lengths):
            batch = reader[indices, True]
            values.add(batch, model(batch).prediction.numpy(), None)
    return values.metrics()


def main() -> None:
    """Train once, write results/physionet.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="five updates on few stays; nothing is written")
    arguments = parser.parse_args()
    tokens = load_physionet2012(as_channels=True)
    if arguments.quick:
        tokens, arguments.steps = tokens[:200], 5
    everything = np.arange(len(tokens))
    training, test = train_test_split(everything, test_size=0.2, random_state=arguments.seed)
    training, validation = train_test_split(training, test_size=0.05, random_state=arguments.seed)
    scaling = rm.Scaling.fit(tokens[training], values="standard")
    torch.manual_seed(arguments.seed)
    config = rm.RoMAEConfig(n_values=1, n_axes=2, **SETTINGS["model"])
    model = rm.RoMAEForPreTraining(config)
    settings = rm.TrainingConfig(
        epochs=-(-arguments.steps * 16 // len(training)),
        max_steps=arguments.steps,
        seed=arguments.seed,
        **SETTINGS["training"],
    )
    started = time.perf_counter()
    rm.train(model, tokens[training], settings, validation=tokens[validation], scaling=scaling)
    seconds = time.perf_counter() - started
    found = reconstruct(model, scaling, tokens[test])
    print(found)
    if not arguments.quick:
        result = {
            "settings": SETTINGS,
            "steps": arguments.steps,
            "seed": arguments.seed,
            "n_training": len(training),
            "n_test": len(test),
            "n_parameters": model.n_parameters(),
            "seconds": round(seconds, 1),
            "metrics": found,
        }
        write_result("physionet", {**result, **circumstances()})


if __name__ == "__main__":
    main()
