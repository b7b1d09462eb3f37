"""Memory systems: DRAM with its controller; caches stand beside it."""
