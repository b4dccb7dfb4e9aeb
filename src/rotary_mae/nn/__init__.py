"""Building blocks on tensors: rotary positions, attention over samples of different lengths, transformer blocks."""
