"""What each setting is worth: one changed at a time, judged on validation samples."""
