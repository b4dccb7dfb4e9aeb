"""Angle of a pendulum from noisy images at irregular times (Table 5)."""
