"""Split, defaults, initial weights and training of a fit."""
