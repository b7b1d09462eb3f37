"""Streaming machines: graphs of nodes and FIFOs that run at the rate of the data."""
