"""The paper's tables and figures, measured: ``python -m reproduce list | run EXPERIMENT | table``."""
