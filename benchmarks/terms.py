"""Current wording of the names in earlier result files.

Result files are records of measurements. They keep the wording of their time, and the tables show today's terms.
"""

from __future__ import annotations

NAMES = {
    "macro F": "macro F1",
    "last value": "last observation carried forward",
    "own mean": "mean of the series",
    # trials of benchmarks.defaults
    "all, last": "all data, last weights",
    "all, augmented": "all data, augmented",
    "all, augmented, mean": "all data, augmented, mean",
    "a tenth chooses the epoch": "early stopping on a tenth",
    "a tenth chooses the epoch, scaled, mean": "early stopping on a tenth, scaled, mean",
    "scaled, mean, longer": "scaled, mean, three times the epochs",
    "scaled, mean, smoothed": "scaled, mean, label smoothing",
    "scaled, both": "scaled, mean and CLS",
    "as it comes": "default",
    "as it came, weights begun at 0.02": "earlier default, initial std 0.02",
    "as it came with 61 passes, unsmoothed": "earlier default, 61 epochs, no label smoothing",
    "as it came with 41 passes, unsmoothed": "earlier default, 41 epochs, no label smoothing",
    "as it came, values as they are": "earlier default, values not transformed",
    "as it came, the nearest four neighbours": "earlier default, four nearest neighbours",
    "as it came, few samples passed over no more often than many": "earlier default, no minimum of samples seen",
    "interpolator as it comes": "default interpolator",
    "interpolator as it came, weights begun at 0.02": "earlier default interpolator, initial std 0.02",
    # datasets of benchmarks.defaults and uncertainty
    "epilepsy": "Epilepsy",
    "stripe82": "Stripe 82",
    "lsst": "LSST",
    "charactertrajectories": "CharacterTrajectories",
    "basicmotions": "BasicMotions",
    "arrowhead": "ArrowHead",
    "gunpoint": "GunPoint",
    "osuleaf": "OSULeaf",
    "characters": "CharacterTrajectories",
    "motions": "BasicMotions",
    "arrowheads": "ArrowHead",
    "guns": "GunPoint",
    "leaves": "OSULeaf",
    "large": "simulated, 20 000",
    "physionet": "PhysioNet 2012",
    # workloads of benchmarks.speed
    "ICU stays, one token a measurement, 40-1500 of them (mean 417)": (
        "ICU stays, one token per measurement, 40-1500 measurements (mean 417)"
    ),
    "the same with the lengths of PhysioNet 2012, nine in ten 260-680 (mean 437)": (
        "ICU stays with the lengths of PhysioNet 2012, nine in ten 260-680 (mean 437)"
    ),
    "series of 127 tokens each": "series of equal length, 127 tokens",
    # kinds of operators of benchmarks.profiles
    "activation": "activation function",
    "products and sums by element": "element-wise products and sums",
    "all else": "other",
    # datasets of benchmarks.context
    "interpolation": "simulated, interpolation",
    "interpolation, stripe82": "Stripe 82, interpolation",
    "interpolation, physionet": "PhysioNet 2012, interpolation",
}
"""Whole names."""

PHRASES = {
    " on straight lines between steps": " after linear interpolation",
    "straight lines between neighbours in time": "linear interpolation",
    "straight lines between what is seen": "linear interpolation",
    "straight lines": "linear interpolation",
    "last value of the variable": "last observation carried forward",
    "best possible: the law that made the series": "optimal prediction (generating distribution known)",
    "always 0, the mean": "constant prediction 0, the mean",
    "always the middle": "constant prediction, middle of the range",
    "mean of the training answers": "mean of the training targets",
    "mean of training spirals": "mean of the training spirals",
    "the spiral's own formula fitted": "spiral formula fitted",
    "components of the training spirals": "principal components of the training spirals",
    "mean of the pictures and their mirror images": "test-time augmentation (mirrored)",
    "mean of the spirals and their mirror images": "test-time augmentation (mirrored)",
    "mean of 3 models and of mirror images": "ensemble of 3, test-time augmentation (mirrored)",
    "mean of 3 models": "ensemble of 3",
    "mean of 8 versions of each clip": "test-time augmentation (8 versions)",
    "on simple features": "on summary features",
    "mean and deviation of mel bands": "mean and standard deviation of mel bands",
    "positions in their own unit": "positions in the unit of the data",
    "hidden": "masked",
    "points seen": "points visible",
    "first half seen": "first half visible",
    "training part": "training set",
    "spectroscopic part": "spectroscopic subset",
    "validation part": "validation",
    "less absolute": "minus absolute",
    "change of an answer when all positions grow by 10": "change of a prediction when all positions are shifted by 10",
}
"""Parts of names, replaced in this order."""


def current_term(name: str) -> str:
    """Return a name of a result file in today's wording."""
    if name in NAMES:
        return NAMES[name]
    for old, new in PHRASES.items():
        # a name may already hold the new wording, of which the old one is a part
        if new not in name:
            name = name.replace(old, new)
    return name
