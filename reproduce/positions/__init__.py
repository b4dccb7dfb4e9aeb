"""Recovery of absolute positions with and without CLS (Table 1, Fig. 2)."""
