"""Parsers of workloads: topologies, ONNX, kernels, address traces."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from .case import Parser
from .packed import in_npy, in_onnx, in_zip
from .plain import in_bytes, in_lines
from .whole import Files

_LINES = (in_lines, in_lines, in_lines, in_bytes)


def texts(*texts_: tuple[str, str]) -> Callable[[Path], Sequence[Files]]:
    """Seeds of one file each: (name, text)."""
    return lambda _: [{name: text.encode()} for name, text in texts_]


def _load(path: Path) -> object:
    """Load a workload and look at what every machine looks at."""
    from cyclescape.traces.catalog import load

    workload: Any = load(path)
    operators = getattr(workload, "operators", ())
    return workload.name, workload.digest, sum(op.macs + op.params for op in operators), getattr(workload, "macs", 0)


def _onnx_seeds(_: Path) -> Sequence[Files]:
    import numpy as np
    from onnx import TensorProto, ValueInfoProto, helper, numpy_helper

    def model(*nodes: Any, constants: Sequence[Any] = (), shape: Sequence[Any] = (1, 3, 8, 8)) -> bytes:
        inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))]
        graph = helper.make_graph(list(nodes), "g", inputs, [ValueInfoProto(name="y")], list(constants))
        return bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())

    def node(kind: str, inputs: str, outputs: str, **attributes: Any) -> Any:
        return helper.make_node(kind, inputs.split(), outputs.split(), name=kind.lower() + outputs, **attributes)

    def weights(name: str, *dims: int) -> Any:
        return numpy_helper.from_array(np.ones(dims, np.float32), name)

    net = model(
        node("Conv", "x w b", "c", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2], group=1),
        node("Relu", "c", "r"),
        node("MaxPool", "r", "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", "p", "f", axis=1),
        node("Gemm", "f g", "h", transB=1),
        node("Softmax", "h", "y", axis=-1),
        constants=[weights("w", 4, 3, 3, 3), weights("b", 4), weights("g", 5, 16)],
    )
    attention = model(
        node("MatMul", "x q", "a"),
        node("Transpose", "a", "t", perm=[0, 2, 1]),
        node("MatMul", "a t", "s"),
        node("Reshape", "s to", "v"),
        node("Slice", "v zero one zero", "u"),
        node("Concat", "u v", "k", axis=0),
        node("LayerNormalization", "k n", "l", axis=-1),
        node("Shape", "l", "m"),
        node("Gather", "m zero", "i", axis=0),
        node("ReduceMean", "l", "y", axes=[1], keepdims=0),
        constants=[
            weights("q", 8, 8),
            numpy_helper.from_array(np.array([2, 32]), "to"),
            numpy_helper.from_array(np.array([0]), "zero"),
            numpy_helper.from_array(np.array([1]), "one"),
            weights("n", 32),
        ],
        shape=(1, 8, 8),
    )
    return [{"net.onnx": net}, {"attention.onnx": attention}]


def _sass_seeds(_: Path) -> Sequence[Files]:
    folder = resources.files("cyclescape.traces.kernels") / "listings"
    listed = sorted((file for arch in folder.iterdir() for file in arch.iterdir()), key=lambda file: len(file.read_bytes()))
    return [{"kernel.sass": file.read_bytes()} for file in listed[:3]]


def _sass(path: Path) -> object:
    from cyclescape.traces.kernels.sass import read_listing

    return [(program.name, program.where(0), program.registers) for program in read_listing(path)]


_GASM = """.case one
.source somewhere, page 1
.set sub_cores=1 prefetch_depth=0
.warps 2
.origin 2
.lines 0@0 1@0 2@20
.let R2 1.0
CS2R R8, SR_CLOCKLO {S4}
.repeat 3
FFMA R1, R2.reuse, R3, R4 {S4 Y W0 R1 M03} ; 13/15 hit0 miss1
@!P0 LDG.E R5, [R6+0x10] {S2 W0}
.end
CS2R R10, SR_CLOCKLO {S4}
EXIT {S5}
.expect elapsed 5
.case two
.warp 0
IADD3 R2, R2, -1, RZ {S4}
BRA `(loop) {S5}
"""
_TRACE = """-kernel name = add
-kernel id = 1
-grid dim = (2,1,1)
-block dim = (32,1,1)
-shmem = 0
-nregs = 16
-accelsim tracer version = 4
-enable lineinfo = 0

#BEGIN_TB
thread block = 0,0,0
warp = 0
insts = 4
0000 ffffffff 1 R1 IMAD.MOV.U32 1 R255 0
0010 ffffffff 1 R2 LDG.E 1 R4 4 1 0x7f00 4
0020 0000000f 0 STG.E 2 R4 R2 4 2 0x7f00 4 8 4
0030 ffffffff 0 EXIT 0 0
#END_TB
#BEGIN_TB
thread block = 1,0,0
warp = 0
insts = 2
0000 00000003 1 R2 LDG.E 1 R4 4 0 0x10 0x20
0030 ffffffff 0 EXIT 0 0
#END_TB
"""
_COLUMNS = (
    "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides, Sparsity, Dilation"
)
_CONV = f"""{_COLUMNS},
Conv1, 32, 32, 3, 3, 3, 16, 2, 2:4, 1,
Conv2_DP, 16, 16, 3, 3, 16, 1, 1, , 1,
FC, 1, 1, 1, 1, 256, 10, 1, 1:4, 1,
"""
_GEMM = "Layer, M, N, K, Batch Size,\na, 64, 32, 16, 1,\nb, 10, 20, 30, 2,\n"


def _kernel(path: Path) -> object:
    """A kernel trace, and what a core looks at."""
    from cyclescape.traces.catalog import load

    trace: Any = load(path)
    return trace.digest, [(kernel.ctas, kernel.warp_instructions, len(kernel.executed)) for kernel in trace.kernels]


def _gasm(path: Path) -> object:
    from cyclescape.traces.kernels.assembly import read_assembly

    return [(case.program(0), case.expects(0)) for case in read_assembly(path)]


def _requests(path: Path) -> object:
    from cyclescape.traces.catalog import load

    trace: Any = load(path)
    return trace.digest, trace.reads, trace.first(1)


def _npz_seeds(_: Path) -> Sequence[Files]:
    import numpy as np

    out = io.BytesIO()
    np.savez_compressed(out, address=np.arange(0, 640, 64), is_write=np.arange(10) % 2 == 0, arrival=np.arange(10))
    return [{"a.npz": out.getvalue()}]


PARSERS = (
    Parser("topology", texts(("conv.csv", _CONV), ("gemm.csv", _GEMM)), _load, _LINES),
    Parser("onnx", _onnx_seeds, _load, (in_onnx, in_onnx, in_onnx, in_bytes)),
    Parser("sass", _sass_seeds, _sass, _LINES),
    Parser("microbenchmarks", texts(("own.gasm", _GASM)), _gasm, _LINES),
    Parser(
        "kernel-trace",
        lambda _: [
            {"add.traceg": _TRACE.encode()},
            {"kernelslist.g": b"MemcpyHtoD,0x7f00,4\nadd.traceg\n", "add.traceg": _TRACE.encode()},
        ],
        _kernel,
        _LINES,
    ),
    Parser(
        "requests-text",
        texts(
            ("a.trace", "# x\nLD 0x40\nST 128\nR 0x0\n"),
            ("b.trace", "0 R 0x40\n5 W 0x80\n5 W 64\n"),
            ("c.trace", "0x40 READ 0\n0x80 WRITE 9\n"),
        ),
        _requests,
        _LINES,
    ),
    Parser(
        "requests-stl", texts(("a.stl", "# x\n0: read 0x40\n31: (64) write 0x400140 0xff\n50: read 0x80\n")), _requests, _LINES
    ),
    Parser(
        "requests-csv",
        texts(("a.requests.csv", "address,operation,cycle\n0x40,LD,0\n128,write,3\n64,R,9\n")),
        _requests,
        _LINES,
    ),
    Parser("requests-npz", _npz_seeds, _requests, (in_zip({".npy": in_npy}), in_zip({".npy": in_npy}), in_bytes)),
)
