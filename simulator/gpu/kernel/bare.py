"""Arrays without what numba carries along with them, for code that hands many arrays to many small functions."""

from __future__ import annotations

import operator
from typing import Any

import numba
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, make_attribute_wrapper, models, register_model
from numba.np.arrayobj import make_array

__all__ = ["bare"]


class Bare(types.Type):
    """The data and the shape of a contiguous array."""

    def __init__(self, dtype: Any, ndim: int) -> None:
        self.dtype, self.ndim = dtype, ndim
        super().__init__(name=f"Bare({dtype}, {ndim})")


@register_model(Bare)
class _Model(models.StructModel):
    def __init__(self, manager: Any, kind: Bare) -> None:
        members = [("data", types.CPointer(kind.dtype)), ("shape", types.UniTuple(types.intp, kind.ndim))]
        super().__init__(manager, kind, members)


make_attribute_wrapper(Bare, "shape", "shape")


def _index(kind: Any, ndim: int) -> Any:
    """The type that an index is cast to; None if it is none."""
    kinds = kind.types if isinstance(kind, types.BaseTuple) else (kind,)
    if len(kinds) != ndim or not all(isinstance(k, types.Integer) for k in kinds):
        return None
    return types.UniTuple(types.intp, ndim) if isinstance(kind, types.BaseTuple) else types.intp


@infer_global(operator.getitem)
class _Get(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        if isinstance(args[0], Bare) and (index := _index(args[1], args[0].ndim)) is not None:
            return signature(args[0].dtype, args[0], index)
        return None


@infer_global(operator.setitem)
class _Set(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        if isinstance(args[0], Bare) and (index := _index(args[1], args[0].ndim)) is not None:
            return signature(types.none, args[0], index, args[0].dtype)
        return None


def _place(context: Any, builder: Any, kinds: Any, values: Any) -> Any:
    array = cgutils.create_struct_proxy(kinds[0])(context, builder, value=values[0])
    parts = cgutils.unpack_tuple(builder, values[1]) if isinstance(kinds[1], types.BaseTuple) else [values[1]]
    lengths = cgutils.unpack_tuple(builder, array.shape)
    place = parts[0]
    for part, length in zip(parts[1:], lengths[1:], strict=True):
        place = builder.add(builder.mul(place, length, flags=["nsw"]), part, flags=["nsw"])
    return builder.gep(array.data, [place], inbounds=True)


def _get(context: Any, builder: Any, sig: Any, values: Any) -> Any:
    return builder.load(_place(context, builder, sig.args, values))


def _set(context: Any, builder: Any, sig: Any, values: Any) -> Any:
    builder.store(values[2], _place(context, builder, sig.args, values))
    return context.get_dummy_value()


for _kind in (types.BaseTuple, types.Integer):
    lower_builtin(operator.getitem, Bare, _kind)(_get)
    lower_builtin(operator.setitem, Bare, _kind, types.Any)(_set)


@intrinsic
def _bare(typing_context: Any, array: Any) -> Any:
    if array.layout != "C":
        return None

    def build(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        source = make_array(sig.args[0])(context, builder, values[0])
        made = cgutils.create_struct_proxy(sig.return_type)(context, builder)
        made.data, made.shape = source.data, source.shape
        return made._getvalue()

    return Bare(array.dtype, array.ndim)(array), build


def _itself(array: Any) -> Any:
    return array


bare = _itself if numba.config.DISABLE_JIT else _bare
"""Return a contiguous array that is indexed by as many integers as it has dimensions, none of them negative, and has a shape;
callable from compiled code.

An array of two dimensions is nine arguments for every function that takes it, this three, and its indexes are not tested for
being negative. The caller keeps the array alive.
"""
