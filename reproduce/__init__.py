"""Measurements of the paper's tables and figures: ``python -m reproduce list | run EXPERIMENT | table``."""
