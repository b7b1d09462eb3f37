"""A sweep of the systolic array on the command line, killed at random instants."""

from __future__ import annotations

import random
import subprocess
import sys
import time

import cyclescape as cs

SPEC = """
accelerator: systolic
workloads: [alexnet, resnet18]
grid: {rows: all, cols: all, dataflow: all, filter_sram_kib: [8, 64, 512]}
"""


def rows(folder):
    """Key, design, metrics and reason of every row, in a fixed order."""
    frame = cs.load(folder).sort_values("key").reset_index(drop=True)
    volatile = {"host", "python", "process", "wall_s", "created_unix_s", "version", "engine"}
    return frame.drop(columns=[name for name in frame.columns if name in volatile])


def test_killed_and_resumed_it_ends_with_the_same_rows(tmp_path):
    (tmp_path / "spec.yaml").write_text(SPEC)
    command = [sys.executable, "-m", "cyclescape", "sweep", "spec.yaml", "--out"]
    rng = random.Random(4)
    for _ in range(4):
        process = subprocess.Popen([*command, "killed"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.5, 3.5))
        process.kill()
        process.wait()
    for out in ("killed", "undisturbed"):
        subprocess.run([*command, out], cwd=tmp_path, check=True, capture_output=True)
    killed, undisturbed = rows(tmp_path / "killed"), rows(tmp_path / "undisturbed")
    assert len(undisturbed) == 7 * 7 * 3 * 3 * 2
    assert undisturbed["reason"].notna().any()
    assert killed.equals(undisturbed)
