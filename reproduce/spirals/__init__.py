"""Spirals that go on where they were no longer seen (Table 7)."""
