"""Training of the shipped series model on synthetic series: ``python -m pretraining train | status | evaluate | export``."""
