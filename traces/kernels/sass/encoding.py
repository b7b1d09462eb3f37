"""Control bits of the 128-bit encoding, the same from Volta (sm_70) on.

Bit 0 is the lowest of the first word. Stall cycles are bits 105 to 108, bit 109 is 0 for yield, 110 to 112 the write
counter (7: none), 113 to 115 the read counter, 116 to 121 the wait mask, 122 to 125 the operands to be reused. Checked
against what disassemblers print: `.reuse`, and the `&wr`, `&rd`, `&req` that CUDA 12.8 shows for sm_120.
"""

from __future__ import annotations

from ....errors import InputError
from ..instruction import COUNTERS, Control

__all__ = ["NO_COUNTER", "decode_control", "encode_control", "reuse_bits"]

NO_COUNTER = 7
_SHIFT = 41
"""Of the control bits in the second word: 105 - 64."""


def decode_control(high: int) -> Control:
    """Return the control bits of the second 64-bit word; raises `InputError` for a counter that does not exist."""
    bits = high >> _SHIFT
    write, read = bits >> 5 & 7, bits >> 8 & 7
    for what, counter in (("write", write), ("read", read)):
        if counter >= COUNTERS and counter != NO_COUNTER:
            raise InputError(f"encoding {high:#018x}: {what} counter {counter}; accepted: 0 to {COUNTERS - 1}, or 7 for none")
    return Control(
        bits & 15, not bits >> 4 & 1, None if write == NO_COUNTER else write, None if read == NO_COUNTER else read,
        bits >> 11 & 63,
    )


def reuse_bits(high: int) -> int:
    """Return the mask of operands that stay in the register-file cache."""
    return high >> _SHIFT + 17 & 15


def encode_control(control: Control, high: int = 0) -> int:
    """Return the second word with its control bits (not those for reuse) replaced."""
    bits = control.stall | (not control.yields) << 4 | control.wait << 11
    bits |= (NO_COUNTER if control.write is None else control.write) << 5
    bits |= (NO_COUNTER if control.read is None else control.read) << 8
    return high & ~((1 << 17) - 1 << _SHIFT) | bits << _SHIFT
