"""Matrix products of an ONNX graph."""

from __future__ import annotations

from math import prod

from .convert import Matrix, Refused, Work, converts
from .node import Node
from .values import Value
from .windows import bits_of


@converts("Gemm")
def _gemm(work: Work, node: Node) -> None:
    a, b, c = node.x, node.input(1), node.optional(2)
    (m, k) = reversed(a.shape) if node.attribute("transA", 0) else a.shape
    rows = b.shape[1] if node.attribute("transB", 0) else b.shape[0]
    if k != rows:
        raise Refused(f"{k} columns of {a.name!r} meet {rows} rows of {b.name!r} (accepted: as many; the file may fix "
                      "its batch)")
    n = node.output.shape[1]
    if a.constant:
        work.add(node, "gemm", [b], matrix=Matrix(a.name, (0 if node.attribute("transA", 0) else 1,)), m=n, n=m, k=k)
    else:
        bias = b.constant and c is not None and c.constant
        matrix = Matrix(b.name, (1 if node.attribute("transB", 0) else 0,)) if b.constant else None
        work.add(
            node, "gemm", [a] if b.constant else [a, b], matrix=matrix, m=m, n=n, k=k, weights=b.constant, bias=bias
        )
        if c is not None and not bias:
            product = Value("", a.element_type, node.output.shape, node.output.sources)
            work.add(node, "elementwise", [product, c], suffix=".add", function="add", elements=m * n,
                     operands=2, reads=m * n + (0 if c.constant else c.elements),
                     parameters=c.elements if c.constant else 0)


@converts("MatMul")
def _matmul(work: Work, node: Node) -> None:
    _add_product(work, node, node.x, node.input(1))


@converts("MatMulInteger")
def _matmul_integer(work: Work, node: Node) -> None:
    _add_product(work, node, node.x, node.input(1), quantised=True)


@converts("QLinearMatMul")
def _qlinear_matmul(work: Work, node: Node) -> None:
    _add_product(work, node, node.x, node.input(3), quantised=True)


def _add_product(work: Work, node: Node, a: Value, b: Value, *, quantised: bool = False) -> None:
    """Add stacked products; a constant operand becomes the weights, and shared matrices are read once."""
    a_shape = a.shape if len(a.shape) > 1 else (1, *a.shape)
    b_shape = b.shape if len(b.shape) > 1 else (*b.shape, 1)
    m, k, n = a_shape[-2], a_shape[-1], b_shape[-1]
    stacked = node.output.elements // (m * n)
    a_stacked, b_stacked = prod(a_shape[:-2]), prod(b_shape[:-2])
    bits = bits_of(("input", a), ("weight", b), ("output", node.output)) if quantised else {}
    if a.constant:
        groups = a_stacked if stacked % a_stacked == 0 else stacked
        matrix = None if quantised else Matrix(a.name, (len(a.shape) - 1,))
        work.add(node, "gemm", [b], matrix=matrix, batch=groups, m=n * stacked // groups, n=m, k=k, bits=bits)
        return
    # Matrices of a that meet the same matrix of b are stacked in the rows.
    groups = b_stacked if a_stacked == stacked else stacked
    matrix = Matrix(b.name, (max(0, len(b.shape) - 2),)) if b.constant and not quantised else None
    work.add(
        node, "gemm", [a] if b.constant else [a, b], matrix=matrix, batch=groups, m=m * stacked // groups, n=n, k=k,
        weights=b.constant, bits=bits,
    )


@converts("Einsum")
def _einsum(work: Work, node: Node) -> None:
    """Split the letters of a product of two tensors into stacked, rows, columns and summed ones."""
    equation = "".join(node.attribute("equation", "").split())
    terms, arrow, out = equation.partition("->")
    letters = terms.split(",")
    if not arrow or "." in equation or len(letters) != 2 or any(len(set(term)) < len(term) for term in letters):
        raise Refused(f"equation {equation!r} (accepted: two tensors, an explicit output, no dots, no letter twice)")
    a, b = node.x, node.input(1)
    if a.constant:
        letters, a, b = letters[::-1], b, a
    left, right = letters
    size = {**dict(zip(left, a.shape)), **dict(zip(right, b.shape))}
    lost = {letter for letter in (set(left) ^ set(right)) if letter not in out}
    if lost:
        raise Refused(f"equation {equation!r} sums {min(lost)!r} of one tensor alone (accepted: letters of both)")
    common = set(left) & set(right)
    stacked = prod(size[letter] for letter in common if letter in out)
    work.add(
        node, "gemm", [a] if b.constant else [a, b], batch=stacked,
        m=prod(size[letter] for letter in left if letter not in common),
        n=prod(size[letter] for letter in right if letter not in common),
        k=prod(size[letter] for letter in common if letter not in out), weights=b.constant,
    )


@converts("Attention")
def _attention(work: Work, node: Node) -> None:
    q, k, v = node.input(0), node.input(1), node.input(2)
    heads = node.attribute("q_num_heads") or q.shape[1]
    kv_heads = node.attribute("kv_num_heads") or k.shape[1]
    past_keys = node.optional(4)
    past = past_keys.shape[2] if past_keys is not None else 0
    if len(q.shape) == 4:
        q_len, kv_len, head_dim, v_dim = q.shape[2], k.shape[2], q.shape[3], v.shape[3]
    else:
        q_len, kv_len, head_dim, v_dim = q.shape[1], k.shape[1], q.shape[2] // heads, v.shape[2] // kv_heads
    work.add(
        node, "attention", node.activations, batch=q.shape[0], heads=heads, kv_heads=kv_heads, q_len=q_len,
        kv_len=kv_len + past, cached=past, head_dim=head_dim, v_dim=v_dim, causal=bool(node.attribute("is_causal", 0)),
    )
