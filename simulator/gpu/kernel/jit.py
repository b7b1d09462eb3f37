"""How the core's functions are compiled."""

from __future__ import annotations

import numba as nb

__all__ = ["jit"]

jit = nb.njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
"""Functions of arrays that allocate nothing: without reference counts they compile several times faster."""
