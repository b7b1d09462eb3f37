"""Studies that ship: a question, what is simulated to answer it, tables, what the numbers say, a figure."""

from __future__ import annotations

from importlib import import_module

from ...errors import InputError
from .outcome import Finding, Outcome, Part

__all__ = ["EXPERIMENTS", "Finding", "Outcome", "Part", "run"]

EXPERIMENTS = {
    "draco": "Do groups between depthwise and full convolutions pay, and does it depend on the array?",
    "shufflenet-guidelines": "Do the four guidelines of ShuffleNet V2 hold on a simulated systolic array?",
    "gpu-shapes": "Does the simulated GPU core show what MICRO 2025 says of register file, scoreboards and prefetch?",
    "macs-vs-latency": "How well do multiply-accumulates foretell the latency of mobile networks?",
}
"""Name of an experiment (its module has "_" for "-", and a function `run`) to the question it answers."""


def run(name: str) -> Outcome:
    """Run an experiment; raises `InputError` for an unknown name."""
    if name not in EXPERIMENTS:
        raise InputError(f"experiment {name!r} is not known (accepted: {', '.join(EXPERIMENTS)}, or list)")
    outcome: Outcome = import_module(f".{name.replace('-', '_')}", __package__).run()
    return outcome
