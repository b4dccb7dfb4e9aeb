"""Whether absolute positions can be told: equal values at real positions, with CLS and without (Table 1, Fig. 2)."""
