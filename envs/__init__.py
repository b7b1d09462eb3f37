"""Gymnasium views on every registered machine."""
