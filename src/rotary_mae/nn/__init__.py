"""Tensors in and out: rotary positions, ragged attention, transformer blocks. Knows no config or batch."""
