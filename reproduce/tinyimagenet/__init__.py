"""Rotary or absolute positions on small photographs (Table 2)."""
