"""The quick size of benchmarks/nothing_lost.py: sweeps killed at random instants, alone and as a job array."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "nothing_lost.py"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_killed_sweeps_end_with_the_same_rows(tmp_path: Path) -> None:
    sizes = ["--points", "400", "--kills", "1", "--shards", "2", "--jobs", "1", "--ways", "local,shards"]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *sizes, "--out", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["local"]["equal"]
    assert found["shards"]["equal"]
    assert found["local"]["rows"] == found["shards"]["rows"] == 400
