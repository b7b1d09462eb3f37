"""What the hardware is asked to do: operators, networks and imports."""
