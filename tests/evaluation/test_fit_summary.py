"""Summaries of fits: which baseline is best, and whether it is better."""

import json

from rotary_mae.evaluation.fit_summary import NOT_VALIDATED, FitSummary


def test_the_best_baseline_is_found_for_metrics_of_both_directions():
    low = FitSummary(9, {"mse": 1.0}, {"a": {"mse": 3.0}, "b": {"mse": 0.5}})
    assert (low.best_baseline, low.is_baseline_better) == ("b", True)
    high = FitSummary(9, {"r2": 0.9, "mse": 2.0}, {"a": {"r2": 0.1, "mse": 9.0}, "b": {"r2": 0.9, "mse": 1.0}})
    assert (high.best_baseline, high.is_baseline_better) == ("b", False)


def test_balanced_accuracy_decides_before_other_metrics():
    summary = FitSummary(
        9, {"accuracy": 0.9, "balanced_accuracy": 0.6}, {"a": {"accuracy": 0.8, "balanced_accuracy": 0.7}}
    )
    assert summary.deciding_metric == "balanced_accuracy"
    assert summary.is_baseline_better is True


def test_without_scores_or_baselines_nothing_is_compared():
    for summary in (NOT_VALIDATED, FitSummary(9, {"mse": 1.0})):
        assert (summary.best_baseline, summary.is_baseline_better) == (None, None)


def test_a_baseline_without_a_value_is_not_better():
    nan = float("nan")
    summary = FitSummary(1, {"r2": 0.1}, {"a": {"r2": nan}})
    assert summary.is_baseline_better is False
    assert FitSummary(1, {"r2": nan}, {"a": {"r2": 0.5}}).is_baseline_better is False


def test_the_text_has_all_scores_the_note_and_a_better_baseline():
    summary = FitSummary(9, {"mse": 1.0}, {"forest": {"mse": 0.5}}, "the set has 20 samples")
    assert str(summary) == (
        "validation on 9 samples: mse 1.000; forest: mse 0.500; the set has 20 samples. A baseline is better "
        "here (forest): use it, or pre-train on more data"
    )
    assert str(NOT_VALIDATED).startswith("validation: no samples were held out")


def test_json_restores_a_summary():
    summary = FitSummary(9, {"mse": 1.0}, {"a": {"mse": 3.0}}, "note")
    assert FitSummary.from_json(json.loads(json.dumps(summary.to_json()))) == summary
