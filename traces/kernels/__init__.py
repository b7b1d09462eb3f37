"""GPU kernels as work: instructions with control bits, and the order in which warps execute them."""

from .instruction import Control, Instruction, Operand
from .trace import Kernel, KernelTrace

__all__ = ["Control", "Instruction", "Kernel", "KernelTrace", "Operand"]
