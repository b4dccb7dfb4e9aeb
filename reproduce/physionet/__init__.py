"""Interpolation of vital signs and laboratory values, PhysioNet 2012 (Table 7)."""
