"""Classification of environmental sounds (Table 3)."""
