"""Arrays without an owner, for compiled code that hands one array to many functions."""

from __future__ import annotations

from typing import Any

import numba
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

__all__ = ["borrow"]


@intrinsic
def _unowned(typing_context: Any, array: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = make_array(signature.args[0])(context, builder, arguments[0])
        view.meminfo = cgutils.get_null_value(view.meminfo.type)
        return view._getvalue()

    return array(array), build


def _itself(array: Any) -> Any:
    return array


borrow = _itself if numba.config.DISABLE_JIT else _unowned
"""Return a view of an array that counts no references; callable from compiled code.

Compiled functions count references to their array arguments with atomic instructions, which would take
a quarter of the time of a kernel that consists of small functions. The caller keeps the array alive.
"""
