"""Import of ONNX files: the graph with its branches, shapes found from the inputs; weights are read only for their zeros.

The `onnx` library is an extra and is imported when a file is read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from ...errors import InputError, MissingExtraError
from ..catalog import file_format
from ..sparsity import DENSE, STORED, StoredSparsity
from ..workload import Workload

__all__ = ["read"]

_LONGEST_LINE = 2000

DimensionSize = Annotated[int, Field(ge=1, le=2**32, description="size of a dynamic dimension, by its name")]


@file_format(".onnx", "ONNX model; dynamic dimensions are arguments by name, batch is the first of every input",
             kind="network", source="onnx.ai, operators of the default domain")
def read(name: str, path: Path, *, sparsity: StoredSparsity = DENSE, **sizes: DimensionSize) -> Workload:
    """Import a model. `sparsity` prunes it to N:M, or is found in the zeros of its own weights if it is "stored".

    Raises `InputError` in one line for a file that is truncated, cyclic, not ONNX, has a dimension of unknown
    size or an operator whose work is not known; `MissingExtraError` without the `onnx` library.
    """
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise MissingExtraError("reading an ONNX file", "onnx") from None
    from .graph import convert

    try:
        if sparsity == STORED:
            return convert(name, path, sizes, stored_sparsity=True)
        return convert(name, path, sizes).pruned(sparsity)
    except InputError as error:
        # Names come from the file and may hold anything, at any length.
        text = str(error)
        text = text if len(text) <= _LONGEST_LINE else f"{text[:_LONGEST_LINE]}..."
        raise InputError("".join(char if char.isprintable() else "?" for char in text)) from None
