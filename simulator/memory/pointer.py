"""Arrays as bare pointers, for compiled code that hands one array to many small functions."""

from __future__ import annotations

from typing import Any

import numba
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

__all__ = ["pointer"]


@intrinsic
def _data(typing_context: Any, array: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return make_array(signature.args[0])(context, builder, arguments[0]).data

    return types.CPointer(array.dtype)(array), build


def _itself(array: Any) -> Any:
    return array


pointer = _itself if numba.config.DISABLE_JIT else _data
"""Return the data of a contiguous array; callable from compiled code.

Compiled functions count references to arrays that they are given, and test every index for being negative;
of a pointer they do neither, which is worth a factor of three to a kernel that consists of small functions.
The caller keeps the array alive, and no index may be negative.
"""
