"""The reference execution: every cycle of every part, in plain Python."""
