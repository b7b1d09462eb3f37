"""A kernel that never ends is stopped by the limits that hold if nobody sets any, in seconds and one line."""

from __future__ import annotations

import time

import pytest

from cyclescape.errors import InputError
from cyclescape.traces.catalog import load
from cyclescape.traces.kernels.host import LISTINGS

MOST_S = 60
"""CPU seconds: some twenty times what it takes."""


def test_two_billion_iterations_are_stopped():
    listing = LISTINGS / "sm_86" / "ffma_chain.sass"
    spec = f"{listing}:grid=64,block=1024,arguments=z65536+x1+x1+n2000000000"
    start = time.process_time()
    with pytest.raises(InputError, match=r"ffma_chain.sass:\d+: .* the kernel has not ended after \d+") as error:
        load(spec)
    assert time.process_time() - start < MOST_S
    assert "\n" not in str(error.value)
