"""How hardware is simulated, and what everything above shares."""
