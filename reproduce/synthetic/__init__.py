"""Interpolation of synthetic series from 3 to 10 points (Table 7)."""
