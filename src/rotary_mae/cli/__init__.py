"""The command ``romae``."""
