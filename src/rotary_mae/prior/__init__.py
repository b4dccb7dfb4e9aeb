"""Synthetic prior: random irregular series on which the shipped model is trained; numpy and scipy, no torch."""

from rotary_mae.prior.families import FAMILIES
from rotary_mae.prior.series import PRIOR_VERSION, SyntheticDraw, SyntheticSeries

__all__ = ["FAMILIES", "PRIOR_VERSION", "SyntheticDraw", "SyntheticSeries"]
