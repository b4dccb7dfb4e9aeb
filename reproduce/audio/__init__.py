"""Classes of sounds (Table 3)."""
