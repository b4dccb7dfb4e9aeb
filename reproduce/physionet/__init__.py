"""What was measured at hidden times in intensive care, PhysioNet 2012 (Table 7)."""
