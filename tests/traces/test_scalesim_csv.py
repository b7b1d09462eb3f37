"""SCALE-Sim topologies: the two forms, and one clear line for everything that is wrong."""

import csv
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cyclescape.errors import InputError
from cyclescape.traces import catalog, scalesim_csv

CONV = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,\n"
GEMM = "Layer,M,N,K,\n"


def _file(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "net.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_convolutions_follow_scale_sims_rules(tmp_path: Path) -> None:
    workload = catalog.load(_file(tmp_path, CONV + "Conv1,224,224,11,11,3,96,4,\nConv2, 27,27 ,5,5,96,256,1,\n"))
    first, second = workload.operators
    # oh = ceil((224 - 11 + 4) / 4) = 55: the last window is partial and still makes an output; nothing is padded.
    assert (first.out_h, first.out_w, first.macs) == (55, 55, 55 * 55 * 96 * 11 * 11 * 3)
    assert (second.out_h, second.macs) == (23, 23 * 23 * 256 * 5 * 5 * 96)
    assert second.inputs == ("Conv1",)
    assert workload.name == "net.csv"


def test_products_are_m_by_k_times_k_by_n(tmp_path: Path) -> None:
    workload = catalog.load(f"{_file(tmp_path, GEMM + 'L0,196,192,384,' + chr(10) + 'L1,1,2,3')}:batch=2")
    assert [(op.m, op.n, op.k) for op in workload.operators] == [(392, 192, 384), (2, 2, 3)]
    assert workload.name == "net.csv:batch=2"


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + CONV + "\nC,5,5,3,3,2,6,1,\n",
        CONV.replace(",\n", ",Sparsity,\n") + "C,5,5,3,3,2,6,1,1:1,\n",
        "Layer, IFMAP Width, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides\nC,5,5,3,3,2,6,1",
        "Layer name,Strides,Num Filter,Channels,Filter Width,Filter Height,IFMAP Width,IFMAP Height\nC,1,6,2,3,3,5,5\n",
        CONV.lower() + "C,5,5,3,3,2,6,1,# a remark\r\n",
        CONV.replace("\n", ",,Eh\n") + ",,,\nC,5,5,3,3,2,6,1,,,9\n",
    ],
)
def test_forms_that_are_about(tmp_path: Path, text: str) -> None:
    (conv,) = catalog.load(_file(tmp_path, text)).operators
    assert (conv.in_h, conv.out_h, conv.out_channels, conv.weight_sparsity) == (5, 3, 6, None)


def test_batch_sparsity_and_depthwise_columns(tmp_path: Path) -> None:
    text = CONV.replace(",\n", ",Batch Size,Sparsity\n") + "ConvDP,5,5,3,3,4,1,1,2,2:4\n"
    (conv,) = catalog.load(_file(tmp_path, text)).operators
    assert (conv.batch, conv.groups, conv.out_channels, conv.weight_sparsity) == (2, 4, 4, (2, 4))
    assert conv.macs == 2 * 4 * 9 * 9


def test_repeated_names_are_numbered(tmp_path: Path) -> None:
    workload = catalog.load(_file(tmp_path, GEMM + "L,1,1,1\nL,1,1,2\nL#2,1,1,3\n,1,1,4\n"))
    assert len({op.name for op in workload.operators}) == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty (accepted: a header line Layer name, IFMAP Height"),
        ("\n ,, \n", "the file is empty"),
        (CONV, "no layer after the header"),
        (CONV.replace("Channels, ", ""), ":1: column 'Channels' is missing (accepted: Layer name, IFMAP Height"),
        ("Layer,M,N\nL,1,2\n", ":1: column 'K' is missing"),
        ("M,N,K\n1,2,3\n", ":1: the first column must be the layer's name"),
        (GEMM + "L0,1,2,3\nL1,1,x,3\n", ":3: N='x' (accepted: an integer from 1 to 4294967296)"),
        (GEMM + "L0,1,-2,3\n", ":2: N='-2' (accepted"),
        (GEMM + "L0,1,0,3\n", ":2: N='0' (accepted"),
        (GEMM + "L0,1,2.5,3\n", ":2: N='2.5' (accepted"),
        (GEMM + "L0,1,\u0661,3\n", ":2: N='\u0661' (accepted"),
        (GEMM + "L0,1,,3\n", ":2: N='' (accepted"),
        (GEMM + "L0,1,2\n", ":2: K='' (accepted"),
        (GEMM + "L0,1,99999999999999999999,3\n", ":2: N='99999999999999999999' (accepted"),
        (GEMM + f"L0,1,{'9' * 5000},3\n", ":2: 9999"),
        (GEMM + "L0,1,2,3,4,5\n", ":2: 6 values for 4 columns"),
        (GEMM.replace(",\n", ",Sparsity\n") + "L0,1,2,3,5:4\n", ":2: Sparsity='5:4' (accepted: N:M with 1 <= N <= M"),
        (GEMM.replace(",\n", ",Sparsity\n") + "L0,1,2,3,x\n", ":2: Sparsity='x' (accepted: N:M"),
        (CONV + "C,5,5,7,7,2,6,1,\n", ":2: layer 'C': the kernel (7x7, dilation 1) is larger than the input (5x5"),
        (GEMM.encode() + b"L0,1,\xff,3\n", ":2: byte 0xff is not UTF-8 text"),
        (GEMM + "L" * 300 + ",1,2,3\n", ":2: layer 'LLL"),
        (GEMM + 'L0,1,"2,3\n' + "x" * 200_000, "not a line of a CSV file"),
    ],
)
def test_a_broken_file_is_one_clear_line(tmp_path: Path, text: str | bytes, words: str) -> None:
    path = _file(tmp_path, text)
    with pytest.raises(InputError) as caught:
        catalog.load(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert words in message
    assert "\n" not in message
    assert len(message) < 700 + len(str(path))


def test_an_absurdly_large_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    with path.open("wb") as file:
        file.truncate(10 * 2**30)  # sparse
    with pytest.raises(InputError, match=r"10737418240 bytes \(accepted: a topology of at most"):
        catalog.load(path)
    assert path.stat().st_size > scalesim_csv.MAX_BYTES


sizes = st.integers(1, 2**20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(sizes, sizes, sizes), min_size=1, max_size=5))
def test_what_is_written_is_read(tmp_path: Path, shapes: list[tuple[int, int, int]]) -> None:
    path = tmp_path / "made.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Layer", "M", "N", "K"])
        writer.writerows((f"L{i}", *shape) for i, shape in enumerate(shapes))
    assert [(op.m, op.n, op.k) for op in catalog.load(path).operators] == shapes


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.binary(max_size=200))
def test_any_bytes_end_in_a_workload_or_one_line(tmp_path: Path, noise: bytes) -> None:
    for start in (b"", CONV.encode(), GEMM.encode()):
        path = _file(tmp_path, start + noise)
        refusal = ""
        try:
            assert catalog.load(path).operators
        except InputError as error:
            refusal = str(error)
        assert len(refusal.splitlines()) <= 1


@given(size=st.integers(5, 30), kernel=st.integers(1, 4), stride=st.integers(1, 3), dilation=st.integers(1, 3))
def test_a_dilated_window_reaches_further(
    tmp_path_factory: pytest.TempPathFactory, size: int, kernel: int, stride: int, dilation: int
) -> None:
    """As many products for each output, and fewer outputs: those of a window with holes."""
    reach = dilation * (kernel - 1) + 1
    assume(reach <= size)
    path = tmp_path_factory.mktemp("csv") / "net.csv"
    path.write_text(f"{CONV.strip().rstrip(',')},Dilation\nc,{size},{size},{kernel},{kernel},3,4,{stride},{dilation}\n")
    (conv,) = catalog.load(path).operators
    side = -(-(size - reach + stride) // stride)
    assert (conv.dilation, conv.out_h, conv.out_w) == (dilation, side, side)
    assert conv.macs == side * side * 4 * kernel * kernel * 3


def test_dilation_may_be_left_out_and_not_be_wrong(tmp_path: Path) -> None:
    path = tmp_path / "net.csv"
    head = f"{CONV.strip().rstrip(',')},Dilation\n"
    path.write_text(head + "c,8,8,3,3,3,4,1,\n")
    assert catalog.load(path).operators[0].dilation == 1
    path.write_text(head + "c,8,8,3,3,3,4,1,0\n")
    with pytest.raises(InputError, match=r"net.csv:2: Dilation='0' .accepted: an integer from 1 to"):
        catalog.load(path)
    path.write_text(head + "c,8,8,3,3,3,4,1,4\n")
    with pytest.raises(InputError, match="dilation 4. is larger than"):
        catalog.load(path)
