"""A machine that fails in every way in which a model can fail."""

import os
import signal
import time
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.design import Design
from cyclescape.simulator.parameters import Choices, Range
from cyclescape.simulator.report import Report

Mode = Literal["fine", "raise", "quit", "nan", "text", "empty", "hang", "slow", "crash", "exit", "refuse"]


class FaultyDesign(Design):
    size: Annotated[int, Range(1, 64)] = Field(1, ge=1, description="a size")
    mode: Annotated[Mode, Choices()] = Field("fine", description="what happens")


class Faulty(Accelerator):
    name = "faulty"
    design = FaultyDesign
    metrics: ClassVar = {"cycles": "total", "time_s": "run time", "energy_j": "energy"}

    def simulate_many(self, designs: Sequence[Design], workload: Any, *, engine: str = "compiled") -> list[Report]:
        return [self.one(design) for design in designs]

    def one(self, design: Any) -> Report:
        metrics: dict[str, Any] = {
            "cycles": 100 * design.size,
            "time_s": 1e-6 * design.size,
            "energy_j": 1 / design.size,
        }
        match design.mode:
            case "raise":
                raise ZeroDivisionError("no\nwork")
            case "quit":
                raise SystemExit(0)
            case "nan":
                metrics["energy_j"] = float("nan")
            case "text":
                metrics["energy_j"] = "much"
            case "empty":
                metrics: ClassVar = {}
            case "hang":
                time.sleep(3600)
            case "slow":
                time.sleep(0.7)
            case "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "exit":
                os._exit(3)
            case "refuse":
                return Report.failed("does not fit")
        return Report(metrics, {"compute": 100 * design.size})
