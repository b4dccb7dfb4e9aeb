"""Batches, masks and queries of predictions, and predictive distributions."""
