"""Summaries of fits: which baseline is best, and whether it is better."""

from rotary_mae.evaluation.fit_summary import FitSummary


def test_the_best_baseline_is_found_for_metrics_of_both_directions():
    low = FitSummary(9, {"mse": 1.0}, {"a": {"mse": 3.0}, "b": {"mse": 0.5}})
    assert (low.best_baseline, low.is_baseline_better) == ("b", True)
    high = FitSummary(9, {"r2": 0.9, "mse": 2.0}, {"a": {"r2": 0.1, "mse": 9.0}, "b": {"r2": 0.9, "mse": 1.0}})
    assert (high.best_baseline, high.is_baseline_better) == ("b", False)
