"""Studies that ship: a question, what is simulated to answer it, tables, what the numbers say, a figure."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from ...errors import InputError, did_you_mean
from .outcome import Finding, Outcome, Part

__all__ = ["EXPERIMENTS", "SIZED", "Finding", "Outcome", "Part", "run"]

EXPERIMENTS = {
    "draco": "Do groups between depthwise and full convolutions pay, and does it depend on the array?",
    "shufflenet-guidelines": "Do the four guidelines of ShuffleNet V2 hold on a simulated systolic array?",
    "gpu-shapes": "Does the simulated GPU core show what MICRO 2025 says of register file, scoreboards and prefetch?",
    "macs-vs-latency": "How well do multiply-accumulates foretell the latency of mobile networks?",
    "multi-agent": "Does an agent for each knob of a DRAM controller search better than one agent for all?",
}
"""Name of an experiment (its module has "_" for "-", and a function `run`) to the question it answers."""

SIZED = ("multi-agent",)
"""Experiments of many searches, that come in a quick and a full size and keep their searches in a file."""


def run(name: str, size: str | None = None, runs: Path | None = None) -> Outcome:
    """Run an experiment; `size` and `runs` are for those of `SIZED`. Raises `InputError` for what is unknown."""
    if name not in EXPERIMENTS:
        hint = did_you_mean(name, EXPERIMENTS)
        raise InputError(f"experiment {name!r} is not known{hint} (accepted: {', '.join(EXPERIMENTS)}, or list)")
    options = {key: value for key, value in (("size", size), ("runs", runs)) if value is not None}
    if options and name not in SIZED:
        raise InputError(f"experiment {name!r}: takes no --{next(iter(options))} (accepted with it: {', '.join(SIZED)})")
    outcome: Outcome = import_module(f".{name.replace('-', '_')}", __package__).run(**options)
    return outcome
