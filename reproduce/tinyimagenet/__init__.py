"""Classification of small photographs with rotary and absolute positions (Table 2)."""
