"""A listing of one's own is a workload."""

from __future__ import annotations

import pytest

from cyclescape.errors import InputError
from cyclescape.traces.catalog import load
from cyclescape.traces.kernels.host import LISTINGS


def test_a_launch_of_ones_own_does_what_ours_does(tmp_path):
    path = tmp_path / "own.sass"
    path.write_text((LISTINGS / "sm_86" / "vector_add.sass").read_text())
    own = load(f"{path}:grid=4,block=256,arguments=f1000+f1000+z1000+n1000").kernels[0]
    ours = load("cuda-vector-add:n=1000").kernels[0]
    assert (own.stream == ours.stream).all()
    assert (own.addresses == ours.addresses).all()
    assert own.warps_per_cta == 8


@pytest.mark.parametrize(("arguments", "message"), [
    ("arguments=q5", r"arguments: 'q5'; accepted: f, h, u or z and a count"), ("arguments=f0", r"'f0'; accepted: f, h"),
    ("arguments=n1.5", r"'n1.5'; accepted"),
    ("kernel=other", r"kernel='other', arch='': 0 kernels; accepted: one of vector_add for sm_86"),
    ("grid=0", r"grid \(0, 1, 1\)"), ("grid=2y2", "grid='2y2'"),
    ("block=32,arguments=f8+f8+z8+n32", r"own.sass:\d+: vector_add, pc 0xa0: access of 4 B at 0x7f0000000120"),
    ("block=32", r"vector_add, pc 0x40: operand 'c\[0x0\]\[0x178\]'; accepted: constants of bank 0 below 0x160"),
])
def test_what_is_wrong_is_one_line(tmp_path, arguments, message):
    path = tmp_path / "own.sass"
    path.write_text((LISTINGS / "sm_86" / "vector_add.sass").read_text())
    with pytest.raises(InputError, match=message) as error:
        load(f"{path}:{arguments}")
    assert "\n" not in str(error.value)


def test_of_a_listing_with_several_architectures_one_is_chosen(tmp_path):
    path = tmp_path / "own.sass"
    path.write_text("".join((LISTINGS / arch / "vector_add.sass").read_text() for arch in ("sm_80", "sm_90")))
    launch = "grid=1,block=32,arguments=f32+f32+z32+n32"
    with pytest.raises(InputError, match="2 kernels; accepted: one of vector_add for sm_80, vector_add for sm_90"):
        load(f"{path}:{launch}")
    assert load(f"{path}:{launch},arch=sm_90").kernels[0].warp_instructions == 20
