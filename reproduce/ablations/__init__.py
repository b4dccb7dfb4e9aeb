"""Ablations: the effect of each setting on validation samples."""
