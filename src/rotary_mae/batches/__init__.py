"""Batches of tokens for models: collating, masking, local context, augmentation and sampling."""
