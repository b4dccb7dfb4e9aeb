"""Speed and memory, measured against a padded implementation of the same model."""
