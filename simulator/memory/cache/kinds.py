"""Types of the kernel's arguments."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Vector: TypeAlias = NDArray[np.int64]
"""The state: see `columns`."""
Rows: TypeAlias = NDArray[np.int64]
"""The trace: a row of `columns.TRACE_SIZE` numbers for each access."""
