"""Models: the masked autoencoder, the predictor, their configurations and checkpoints."""
