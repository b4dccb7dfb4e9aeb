"""Readers of raw data that make TokenSets: numpy, scipy, pyarrow and narwhals; no torch."""
