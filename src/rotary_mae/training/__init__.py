"""One training loop for pre-training and fine-tuning, with its checkpoints, schedule and processes."""
