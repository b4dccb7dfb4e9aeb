"""The demo: the whole story on data that comes along, told in numbers, a picture and a page."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
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

from rotary_mae.cli.demo_page import Material, Story, write_story
from rotary_mae.data.simulate import simulate_with_truth
from rotary_mae.estimators.classifier import RoMAEClassifier
from rotary_mae.estimators.held_out import predict_held_out
from rotary_mae.estimators.interpolator import RoMAEInterpolator
from rotary_mae.evaluation.features import distribution_features
from rotary_mae.report.page import require_plotly


def demo(data: Literal["simulated", "s82"] = "simulated", out: Path = Path("runs/demo"), seed: int = 0) -> None:
    """Pre-train, classify and interpolate, and compare with simple methods.

    Args:
        data: "simulated" light curves (up to 3 minutes on 2 cores), or "s82": 483 real RR Lyrae stars of SDSS
            Stripe 82, downloaded once (about 10 minutes).
        out: folder for demo.html, interpolation.png and results.json; older ones are replaced.
        seed: of everything random.
    """
    require_plotly()
    started = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True)
    material = _simulated(seed) if data == "simulated" else _stripe82(seed)
    console.print(f"[bold]{material.name}[/bold]: {material.tokens}")
    story = Story()
    for one in material.seeds:
        interpolator, classifier, test = _one_seed(material, one, story, console)
        if one == material.seeds[0]:
            console.print("Filling in hidden observations of objects never seen ...")
            never_seen = material.tokens[test]
            about = {"part": "objects never seen in training"}
            filled = predict_held_out(interpolator, never_seen, about)
            classified = predict_held_out(classifier, never_seen, about)
            story.interpolation = dict(filled.about["metrics"])
    story.seconds = time.perf_counter() - started
    _write_results(out, material, story)
    page = write_story(out, material, story, filled, classified)
    _tell(console, story, page)


def _simulated(seed: int) -> Material:
    curves = simulate_with_truth(1100, seed=seed)
    return Material(
        "Simulated light curves",
        curves.tokens,
        n_labelled=160,
        n_test=300,
        seeds=(seed,),
        pretrain_epochs=20,
        classify_epochs=30,
        thinning=0.5,
        pretrain_thinning=0.0,
        value_name="flux",
        is_inverted=False,
        truth=curves.truth,
    )


def _stripe82(seed: int) -> Material:
    from rotary_mae.datasets.stripe82 import load_stripe82

    return Material(
        "SDSS Stripe 82 RR Lyrae",
        load_stripe82(),
        n_labelled=None,
        n_test=97,
        seeds=(seed, seed + 1, seed + 2),
        pretrain_epochs=15,
        classify_epochs=15,
        thinning=0.8,
        pretrain_thinning=0.8,
        value_name="magnitude",
        is_inverted=True,
    )


def _one_seed(
    material: Material, seed: int, story: Story, console: Console
) -> tuple[RoMAEInterpolator, RoMAEClassifier, npt.NDArray[np.int64]]:
    """Pre-train on one training part and score the methods on its test part."""
    tokens, labels = material.tokens, np.asarray(material.tokens.targets)
    training, test = train_test_split(
        np.arange(len(tokens)), test_size=material.n_test, random_state=seed, stratify=labels
    )
    labelled = training
    if material.n_labelled is not None:
        labelled, _ = train_test_split(
            training, train_size=material.n_labelled, random_state=seed, stratify=labels[training]
        )
    story.counts = {"pre-training": len(training), "labelled": len(labelled), "test": len(test)}
    shared: dict[str, Any] = {"context": 4, "random_state": seed, "verbose": 1}
    console.print(f"Pre-training on {len(training)} objects without labels ...")
    interpolator = RoMAEInterpolator(
        size="tiny-shallow",
        epochs=material.pretrain_epochs,
        training={"augmentation": {"thinning": material.pretrain_thinning}},
        **shared,
    ).fit(tokens[training])
    fine = {
        **shared,
        "epochs": material.classify_epochs,
        "learning_rate": 1e-3,
        "class_weight": "balanced",
        "training": {"augmentation": {"thinning": material.thinning}},
    }
    methods = {
        "RoMAE, pre-trained": RoMAEClassifier(init=interpolator, **fine),
        "RoMAE, from scratch": RoMAEClassifier(size="tiny-shallow", **fine),
    }
    for name, classifier in methods.items():
        console.print(f"Classifying with {len(labelled)} labels: {name} ...")
        classifier.fit(tokens[labelled])
        score = balanced_accuracy_score(labels[test], classifier.predict(tokens[test]))
        story.scores.setdefault(name, []).append(float(score))
        story.curves.setdefault(name, classifier.training_.history)
    story.curves = {"pre-training": interpolator.training_.history, **story.curves}
    forest = make_pipeline(
        SimpleImputer(), RandomForestClassifier(500, class_weight="balanced", random_state=seed, n_jobs=-1)
    )
    forest.fit(distribution_features(tokens[labelled]), labels[labelled])
    score = balanced_accuracy_score(labels[test], forest.predict(distribution_features(tokens[test])))
    story.scores.setdefault("random forest", []).append(float(score))
    return interpolator, methods["RoMAE, pre-trained"], test


def _write_results(out: Path, material: Material, story: Story) -> None:
    results = {"data": material.name, "seeds": material.seeds, **asdict(story)}
    partial = out / "results.json.partial"
    partial.write_text(json.dumps(results, indent=1))
    os.replace(partial, out / "results.json")


def _tell(console: Console, story: Story, page: Path) -> None:
    for name, values in story.scores.items():
        spread = f" (+- {np.std(values):.3f} over {len(values)} seeds)" if len(values) > 1 else ""
        console.print(f"  {name:22} balanced accuracy {np.mean(values):.3f}{spread}")
    found = story.interpolation
    console.print(
        f"  hidden observations, mean squared error in scaled units: RoMAE {found['mse']:.3f}, linear interpolation "
        f"{found['mse_linear']:.3f}, mean of the channel {found['mse_mean']:.3f}; {found['coverage_90']:.0%} lie in "
        "the 90 % band"
    )
    console.print(f"Done in {story.seconds:.0f} s. Open {page}")
