"""DRAM."""
