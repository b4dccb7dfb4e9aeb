"""Which frequencies survive interpolation (Fig. 3-5)."""
