"""`cyclescape bench gpu --traces DIR`: every list of traces, with the counts that the traces state."""

from __future__ import annotations

import pytest

from cyclescape.errors import InputError
from cyclescape.simulator.registry import accelerator

WARP = """warp = {warp}
insts = 3
0000 ffffffff 1 R2 LDG.E 1 R4 4 1 0x7f0000001000 4
0010 ffffffff 1 R3 FADD 2 R2 R2 0
0020 ffffffff 0 EXIT 0 0
"""


def _traces(folder, warps, kernels=1):
    folder.mkdir(parents=True, exist_ok=True)
    header = f"-kernel name = k\n-kernel id = 1\n-grid dim = (1,1,1)\n-block dim = ({32 * warps},1,1)\n-shmem = 0\n-nregs = 8\n"
    body = "#BEGIN_TB\nthread block = 0,0,0\n" + "".join(WARP.format(warp=w) for w in range(warps)) + "#END_TB\n"
    (folder / "kernel-1.traceg").write_text(header + body)
    (folder / "kernelslist.g").write_text("kernel-1.traceg\n" * kernels)
    return folder


def test_a_directory_and_a_folder_of_directories(tmp_path):
    _traces(tmp_path / "one", 1)
    two = _traces(tmp_path / "two", 2, kernels=3)
    rows = list(accelerator("gpu").bench(traces=tmp_path))
    assert [row.name.split()[0] for row in rows] == ["one", "two"]
    assert rows[0].note.startswith("3 warp instructions in 1 kernel;")
    assert rows[1].note.startswith("18 warp instructions in 3 kernels;")
    assert [row.ok for row in rows] == [None, None]  # too short for a bar
    assert all(row.value > 0 for row in rows)
    (alone,) = accelerator("gpu").bench(traces=two)
    assert alone.name == rows[1].name


def test_the_bar_counts_where_there_are_instructions_enough(tmp_path):
    (row,) = accelerator("gpu").bench(traces=_traces(tmp_path, 32, kernels=120))
    assert row.note.startswith("11,520 warp instructions in 120 kernels;")
    assert row.at_least == 880_000
    assert row.ok is (row.value >= 880_000)


def test_wrong_directories_are_one_line(tmp_path):
    for folder, message in ((tmp_path / "none", "no such directory"), (tmp_path, "no kernelslist.g; accepted: ")):
        with pytest.raises(InputError, match=message):
            list(accelerator("gpu").bench(traces=folder))
    _traces(tmp_path / "short", 1)
    file = tmp_path / "short" / "kernel-1.traceg"
    file.write_text(file.read_text().replace("insts = 3", "insts = 4"))
    with pytest.raises(InputError, match=r"kernel-1.traceg:\d+: .* after 3 instructions of a warp that says it has 4"):
        list(accelerator("gpu").bench(traces=tmp_path))
    _traces(tmp_path / "short", 64)
    with pytest.raises(InputError, match="64 warps does not fit"):
        list(accelerator("gpu").bench(traces=tmp_path))
