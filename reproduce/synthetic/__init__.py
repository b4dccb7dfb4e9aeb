"""Smoothed random series filled in from 3 to 10 points (Table 7)."""
