"""Estimators with the interface of scikit-learn: embedding, classification, regression and interpolation."""
