"""The closed form of a tiling's time beside the recurrence over its steps."""

import numpy as np

from cyclescape.accelerators.systolic import engines, program
from cyclescape.accelerators.systolic.balance import balanced
from cyclescape.accelerators.systolic.design import SystolicDesign
from cyclescape.accelerators.systolic.lowering import lower
from cyclescape.accelerators.systolic.program import FUSED, RESULT
from cyclescape.simulator.space import Space
from cyclescape.traces.catalog import load

JOBS = lower(load("squeezenet"))
PLAN = [RESULT.index(name) for name in program.PLAN]


def drawn(n):
    space, rng = Space(SystolicDesign), np.random.default_rng(1)
    return [space.design(point).stage for point in space.sample(rng, n)]


def test_is_often_the_time_itself_and_chooses_the_same_tilings():
    designs = drawn(12)
    timed, quick = engines.compiled(designs, JOBS), engines.compiled(designs, JOBS, timed=False)
    errors, same = [], []
    for design, rows, others in zip(designs, timed, quick, strict=True):
        row = np.array(engines.design_row(design), np.int64)
        for j, result in enumerate(rows):
            if result[0] < 0 or result[FUSED] < 0 or engines.vector_cycles(design, JOBS, j, result) >= result[0]:
                continue
            about = balanced(*engines.step_tables(design, JOBS, j, result), design.dataflow == "is", row[program.BANDWIDTH],
                             row[program.LATENCY])
            errors.append(np.log(about / result[0]))
            same.append(np.array_equal(result[PLAN], others[j][PLAN]))
    assert len(errors) > 200
    assert np.mean(np.array(errors) == 0) > 0.65
    assert np.abs(errors).mean() < 0.01
    assert np.mean(same) > 0.88
