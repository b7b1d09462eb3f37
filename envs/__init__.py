"""Gymnasium views on any registered machine."""
