"""Interpolation and extrapolation of spirals (Table 7)."""
