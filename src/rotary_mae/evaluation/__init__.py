"""Quality of predictions: metrics, calibration, reconstruction, baselines. No module here needs an estimator."""
