"""Interpolation error by frequency (Fig. 3-5)."""
