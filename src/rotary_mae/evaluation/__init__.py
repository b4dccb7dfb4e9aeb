"""Metrics, calibration and baselines; knows no estimator."""
