"""scikit-learn's interface: embed, classify, regress, interpolate."""
