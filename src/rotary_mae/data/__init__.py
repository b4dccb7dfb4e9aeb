"""From raw data to TokenSets: numpy, scipy, pyarrow and narwhals; no torch."""
