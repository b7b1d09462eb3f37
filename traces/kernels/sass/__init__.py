"""SASS, NVIDIA's machine code, as its disassemblers print it: text, encodings, and the control bits inside them."""

from .encoding import decode_control
from .listing import ARCHITECTURES, Program, parse_listing, read_listing

__all__ = ["ARCHITECTURES", "Program", "decode_control", "parse_listing", "read_listing"]
