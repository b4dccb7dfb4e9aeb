"""What positions cost in training: absolute, rotary at fixed places, rotary at any places (Table 9)."""
