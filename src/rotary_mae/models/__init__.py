"""The parts put together: the masked autoencoder, the predictor, their configurations and checkpoints."""
