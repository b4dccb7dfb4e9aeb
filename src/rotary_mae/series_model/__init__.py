"""Pre-trained model for any irregular series: predictive distributions without training on the series."""
