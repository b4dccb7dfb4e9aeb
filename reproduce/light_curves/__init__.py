"""Classes of light curves (Table 4)."""
