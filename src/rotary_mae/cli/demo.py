"""The command demo: pre-training, classification and interpolation of example data, with baselines."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from rich.console import Console
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from rotary_mae.cli.demo_data import DemoData, DemoResults, simulated_light_curves, stripe82_stars
from rotary_mae.cli.demo_page import write_demo_page
from rotary_mae.data.tokens import TokenSet
from rotary_mae.estimators.classifier import RoMAEClassifier
from rotary_mae.estimators.held_out import predict_held_out
from rotary_mae.estimators.interpolator import RoMAEInterpolator
from rotary_mae.evaluation.features import distribution_features
from rotary_mae.evaluation.held_out import HeldOutPredictions
from rotary_mae.report.page import require_plotly

Indices = npt.NDArray[np.int64]


def demo(data: Literal["simulated", "s82"] = "simulated", out: Path = Path("runs/demo"), seed: int = 0) -> None:
    """Pre-train, classify and interpolate, and compare with baselines.

    Parameters
    ----------
    data : {"simulated", "s82"}
        "simulated" light curves (up to 3 minutes on 2 cores), or "s82": 483 real RR Lyrae stars of SDSS Stripe 82,
        downloaded once (about 10 minutes).
    out : Path
        folder for demo.html, interpolation.png and results.json; existing files of these names are replaced.
    seed : int
        seed of all random numbers.
    """
    require_plotly()
    started = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True)
    demo_data = simulated_light_curves(seed) if data == "simulated" else stripe82_stars(seed)
    console.print(f"[bold]{demo_data.name}[/bold]: {demo_data.tokens}")
    results = DemoResults()
    for one_seed in demo_data.seeds:
        interpolator, classifier, test = _train_and_score(demo_data, one_seed, results, console)
        if one_seed == demo_data.seeds[0]:
            console.print("Predicting masked values of the test set ...")
            test_tokens = demo_data.tokens[test]
            about = {"part": "the test set"}
            interpolated: HeldOutPredictions = predict_held_out(interpolator, test_tokens, about)
            classified: HeldOutPredictions = predict_held_out(classifier, test_tokens, about)
            results.interpolation = dict(interpolated.about["metrics"])
    results.seconds = time.perf_counter() - started
    results.save(out / "results.json", demo_data)
    page = write_demo_page(out, demo_data, results, interpolated, classified)
    _print_results(console, results, page)


def _train_and_score(
    data: DemoData, seed: int, results: DemoResults, console: Console
) -> tuple[RoMAEInterpolator, RoMAEClassifier, Indices]:
    """Train all methods on one split and add their scores to ``results``.

    Return the interpolator, the fine-tuned classifier and the indices of the test set.
    """
    tokens, classes = data.tokens, np.asarray(data.tokens.targets)
    training, labelled, test = _split(data, classes, seed)
    results.counts = {"pre-training": len(training), "labelled": len(labelled), "test": len(test)}
    shared: dict[str, Any] = {"context": 4, "random_state": seed, "verbose": 1}
    console.print(f"Pre-training on {len(training)} objects without labels ...")
    interpolator = RoMAEInterpolator(
        size="tiny-shallow",
        epochs=data.pretrain_epochs,
        training={"augmentation": {"thinning": data.pretrain_thinning}},
        **shared,
    ).fit(tokens[training])
    results.curves.setdefault("pre-training", interpolator.training_.history)
    fine_tuning: dict[str, Any] = {
        **shared,
        "epochs": data.classify_epochs,
        "learning_rate": 1e-3,
        "class_weight": "balanced",
        "training": {"augmentation": {"thinning": data.thinning}},
    }
    classifiers = {
        "RoMAE, pre-trained": RoMAEClassifier(init=interpolator, **fine_tuning),
        "RoMAE, from scratch": RoMAEClassifier(size="tiny-shallow", **fine_tuning),
    }
    for name, classifier in classifiers.items():
        console.print(f"Training a classifier with {len(labelled)} labels: {name} ...")
        classifier.fit(tokens[labelled])
        score = balanced_accuracy_score(classes[test], classifier.predict(tokens[test]))
        results.scores.setdefault(name, []).append(float(score))
        results.curves.setdefault(name, classifier.training_.history)
    forest_score = _random_forest_score(tokens, classes, labelled, test, seed)
    results.scores.setdefault("random forest", []).append(forest_score)
    return interpolator, classifiers["RoMAE, pre-trained"], test


def _split(data: DemoData, classes: npt.NDArray[Any], seed: int) -> tuple[Indices, Indices, Indices]:
    """Return the indices of the training set, of its labelled objects, and of the test set."""
    training, test = train_test_split(
        np.arange(len(classes)), test_size=data.n_test, random_state=seed, stratify=classes
    )
    if data.n_labelled is None:
        return training, training, test
    labelled, _ = train_test_split(training, train_size=data.n_labelled, random_state=seed, stratify=classes[training])
    return training, labelled, test


def _random_forest_score(
    tokens: TokenSet, classes: npt.NDArray[Any], labelled: Indices, test: Indices, seed: int
) -> float:
    """Return the balanced accuracy of a random forest on summary statistics of each channel."""
    forest = make_pipeline(
        SimpleImputer(), RandomForestClassifier(500, class_weight="balanced", random_state=seed, n_jobs=-1)
    )
    forest.fit(distribution_features(tokens[labelled]), classes[labelled])
    predicted = forest.predict(distribution_features(tokens[test]))
    return float(balanced_accuracy_score(classes[test], predicted))


def _print_results(console: Console, results: DemoResults, page: Path) -> None:
    for name, scores in results.scores.items():
        deviation = f" (std {np.std(scores):.3f} over {len(scores)} seeds)" if len(scores) > 1 else ""
        console.print(f"  {name:22} balanced accuracy {np.mean(scores):.3f}{deviation}")
    metrics = results.interpolation
    console.print(
        f"  masked values, mean squared error in scaled units: RoMAE {metrics['mse']:.3f}, linear interpolation "
        f"{metrics['mse_linear']:.3f}, mean of the channel {metrics['mse_mean']:.3f}; "
        f"{metrics['coverage_90']:.0%} lie in their 90 % interval"
    )
    console.print(f"Done in {results.seconds:.0f} s. Open {page}")
