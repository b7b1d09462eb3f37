"""A design for a GPU of one's own, from microbenchmarks that were measured on it."""
