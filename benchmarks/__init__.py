"""Benchmarks: speed and memory beside a padded implementation, uncertainty, and the choice of defaults."""
