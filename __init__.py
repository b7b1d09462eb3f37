"""cyclescape: cycle-level accelerator simulation and design-space exploration."""
