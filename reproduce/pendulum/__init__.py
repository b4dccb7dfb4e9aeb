"""Where a pendulum hangs, from noisy pictures at irregular times (Table 5)."""
