"""Training speed by kind of positional encoding (Table 9)."""
