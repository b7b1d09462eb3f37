"""A workload is a graph with a name, counts and a digest of its work."""

import pytest
from pydantic import ValidationError

from cyclescape.traces.operators import Elementwise, Gemm
from cyclescape.traces.workload import Workload


def _chain(name: str = "net", n: int = 4) -> Workload:
    return Workload(name=name, operators=(
        Gemm(name="a", inputs=("",), m=2, n=n, k=3, bias=True),
        Elementwise(name="b", inputs=("a",), function="relu", elements=2 * n),
        Elementwise(name="c", inputs=("a", "b"), elements=2 * n, operands=2),
    ), extra_params=5)


def test_counts_are_sums_over_operators() -> None:
    net = _chain()
    assert (net.macs, net.params, net.vector_ops) == (24, 12 + 4 + 5, 8 + 8)


def test_digest_is_of_the_work_and_not_of_the_name() -> None:
    assert _chain("x").digest == _chain("y").digest
    assert _chain(n=4).digest != _chain(n=5).digest
    assert _chain("x") == _chain("x")
    assert _chain("x") != _chain("y")
    assert len({_chain("x"), _chain("x"), _chain("y")}) == 2


def test_digest_is_the_same_in_every_process() -> None:
    assert _chain().digest == Workload.model_validate_json(_chain().model_dump_json()).digest


def test_consumers_name_the_readers() -> None:
    assert _chain().consumers == {"a": ("b", "c"), "b": ("c",), "c": ()}


@pytest.mark.parametrize(
    ("operators", "words"),
    [
        ((), "at least 1"),
        ((Gemm(name="a", m=1, n=1, k=1), Gemm(name="a", m=1, n=1, k=1)), "used twice"),
        ((Gemm(name="a", inputs=("b",), m=1, n=1, k=1), Gemm(name="b", m=1, n=1, k=1)), "no earlier operator"),
    ],
)
def test_what_is_no_graph_is_refused(operators: tuple[Gemm, ...], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Workload(name="net", operators=operators)
