"""The compiled core: the issue logic of an SM as one loop over cycles in which something happens."""
