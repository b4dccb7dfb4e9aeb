"""Training of the series model on synthetic series: ``python -m pretraining train | status | evaluate | export``."""
