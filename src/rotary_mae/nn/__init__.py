"""Tensors in, tensors out: rotary positions, ragged attention, transformer blocks. Knows no config and no batch."""
