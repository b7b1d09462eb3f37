import hashlib

import numpy as np
import pytest

import cyclescape as cs
from cyclescape.errors import InputError
from cyclescape.traces.address_formats import read_text, write_npz, write_text
from cyclescape.traces.address_generators import PATTERNS, address_trace, splitmix64
from cyclescape.traces.addresses import AddressTrace


def _slow_splitmix(seed, count):
    mask, out = (1 << 64) - 1, []
    for _ in range(count):
        seed = (seed + 0x9E3779B97F4A7C15) & mask
        z = ((seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        out.append(z ^ (z >> 31))
    return out


def test_splitmix64():
    assert splitmix64(7, 50).tolist() == _slow_splitmix(7, 50)
    assert splitmix64(0, 1)[0] == 0xE220A8397B1DCDAF  # the published first output for seed 0


def test_traces_never_change():
    """A digest over one trace of every pattern: published results depend on them."""
    digest = hashlib.sha256()
    for pattern in PATTERNS:
        digest.update(address_trace(pattern, 500, seed=5, writes="rand:333").digest.encode())
    assert digest.hexdigest()[:16] == "f52cbfd8994f88a6"


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_are_seeded_and_in_bounds(pattern):
    one, same = (address_trace(pattern, 1000, seed=3, writes="rand:300", every=2) for _ in range(2))
    assert one == same
    assert one.digest == same.digest
    assert (one.address % 64 == 0).all()
    assert one.arrival[-1] == 1998
    assert one.reads + one.writes == 1000
    with pytest.raises(ValueError, match="read-only"):
        one.address[0] = 1


@pytest.mark.parametrize(("suffix", "text", "address", "writes", "arrival"), [
    ("a.trace", "LD 0x40\nST 128 # comment\n", [64, 128], [False, True], [0, 0]),
    ("a.trace", "5 R 0x40\n9 W 0x80\n", [64, 128], [False, True], [5, 9]),
    ("a.trace", "0x40 READ 3\n0x80 WRITE 4\n", [64, 128], [False, True], [3, 4]),
    ("a.stl", "# x\n5: read 0x40\n9: (64) write 0x80 0xff\n", [64, 128], [False, True], [5, 9]),
    ("a.requests.csv", "cycle,address,operation\n5,0x40,R\n9,128,write\n", [64, 128], [False, True], [5, 9]),
    ("a.requests.csv", "address,operation\n64,LD\n", [64], [False], [0]),
])
def test_formats(tmp_path, suffix, text, address, writes, arrival):
    path = tmp_path / suffix
    path.write_text(text, encoding="utf-8")
    trace = cs.workload(str(path))
    assert trace.address.tolist() == address
    assert trace.is_write.tolist() == writes
    assert trace.arrival.tolist() == arrival


def test_round_trips(tmp_path):
    trace = address_trace("cloud", 100, writes="rand:300", every=3)
    write_npz(trace, tmp_path / "t.npz")
    write_text(trace, tmp_path / "t.trace")
    for name in ("t.npz", "t.trace"):
        assert cs.workload(str(tmp_path / name)).digest == trace.digest


@pytest.mark.parametrize(("name", "text", "words"), [
    ("a.trace", "LD\n", "line 1: 'LD'; accepted: `LD|ST address`"),
    ("a.trace", "LD 0x40\nLD zz\n", "line 2"),
    ("a.trace", "LD -5\n", "line 1"),
    ("a.trace", "LD 0xffffffffffffffffff\n", "not below 2^63"),
    ("a.trace", "", "no requests"),
    ("a.trace", "9 R 0\n5 R 0\n", "request 2: cycle 5 after 9"),
    ("a.stl", "5 read 0x40\n", "accepted: `cycle: [(length)] read|write"),
    ("a.stl", "5: READ 0x40\n", "line 1"),
    ("a.requests.csv", "address,op\n1,R\n", "columns address, op; accepted"),
    ("a.requests.csv", "address,operation\n1,X\n", "line 2: operation='X'"),
])
def test_broken_files_are_one_clear_line(tmp_path, name, text, words):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        cs.workload(str(path))
    assert words in str(caught.value)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_pickles_are_refused(tmp_path):
    np.savez(tmp_path / "p.npz", address=np.array([{"a": 1}], dtype=object), is_write=np.array([0]))
    with pytest.raises(InputError, match="no array of numbers"):
        cs.workload(str(tmp_path / "p.npz"))


@pytest.mark.parametrize(("make", "words"), [
    (lambda: AddressTrace.of("t", []), "no requests"),
    (lambda: AddressTrace.of("t", [0, 1], arrival=[3, 2]), "request 1: arrival 2"),
    (lambda: AddressTrace.of("t", [-1]), "request 0: address -1"),
    (lambda: address_trace("steam"), "did you mean 'stream'"),
    (lambda: address_trace("stream", run=3), "takes no parameters"),
    (lambda: address_trace("stream", writes="rand:2000"), "accepted: none, all, every3"),
    (lambda: read_text("t", __import__("pathlib").Path("/none")), "cannot be read"),
])
def test_broken_traces_are_one_clear_line(make, words):
    with pytest.raises(InputError, match=words):
        make()
