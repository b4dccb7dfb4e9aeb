"""Classification of light curves (Table 4)."""
