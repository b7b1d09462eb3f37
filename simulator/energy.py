"""The technologies that ship with the package, and how to get one by name.

Every figure names where it was printed and, in brackets, the public copy in which it was read for this
table. docs/models/energy.md shows them all, with the checks that were made.
"""

from __future__ import annotations

from ..errors import InputError, did_you_mean
from .technology import Constant, Curve, Technology

__all__ = ["DEFAULT_TECHNOLOGY", "Technology", "technology", "technology_names"]

DEFAULT_TECHNOLOGY = "horowitz-45nm"
KIB = 1024

HOROWITZ = "Horowitz, ISSCC 2014, 45 nm 0.9 V"
SURVEY = "[as in Kim et al., arXiv 2302.14017, fig. 15]"
SYNTHESIS = f"synthesis for TSMC 45 nm, Hennessy and Patterson, 6th ed., fig. 1.13 {SURVEY}"
ALADDIN = "Shao et al. (Aladdin), ISCA 2014, 40 nm table at 1 ns [ALADDIN's power_func.h]; used unscaled"
CACTI = "CACTI 7 (github.com/HewlettPackard/cacti, 1ffd8df), RAM, 64-bit port, itrs-lop, 350 K"
NN_DATAFLOW = "nn_dataflow (github.com/stanford-mast/nn_dataflow, 198a527), Eyeriss chip, pJ per 16 bits"

OPERAND, CAPACITY = "bits", "bytes"

HOROWITZ_45NM = Technology(
    name="horowitz-45nm",
    node_nm=45,
    voltage_v=0.9,
    int_multiply_pj=Curve(((8, 0.2), (32, 3.1)), OPERAND, "pJ", f"{HOROWITZ} {SURVEY}", bounded=True),
    int_add_pj=Curve(((8, 0.03), (16, 0.05), (32, 0.1)), OPERAND, "pJ", f"{HOROWITZ} {SURVEY}", bounded=True),
    float_multiply_pj=Curve(((16, 1.1), (32, 3.7)), OPERAND, "pJ", f"{HOROWITZ} {SURVEY}", bounded=True),
    float_add_pj=Curve(((16, 0.4), (32, 0.9)), OPERAND, "pJ", f"{HOROWITZ} {SURVEY}", bounded=True),
    int_multiply_um2=Curve(((8, 282), (32, 3495)), OPERAND, "um2", SYNTHESIS, bounded=True),
    int_add_um2=Curve(((8, 36), (16, 67), (32, 137)), OPERAND, "um2", SYNTHESIS, bounded=True),
    float_multiply_um2=Curve(((16, 1640), (32, 7700)), OPERAND, "um2", SYNTHESIS, bounded=True),
    float_add_um2=Curve(((16, 1360), (32, 4184)), OPERAND, "um2", SYNTHESIS, bounded=True),
    register_pj=Constant(0.0090, "pJ/bit", ALADDIN),
    register_um2=Constant(5.981, "um2/bit", ALADDIN),
    wire_pj=Constant(
        310 / (256 * 10), "pJ/bit/mm",
        "Keckler et al., IEEE Micro 31(5) 2011, table 1, 40 nm 0.9 V: 310 pJ for 256 bits over 10 mm",
    ),
    sram_pj=Curve(
        ((8 * KIB, 10 / 64), (32 * KIB, 20 / 64), (1024 * KIB, 100 / 64)), CAPACITY, "pJ/bit",
        f"{HOROWITZ}: 10, 20 and 100 pJ for a 64-bit cache access [8 kB: PMC8934428, table 3]",
    ),
    sram_mm2=Curve(
        (
            (1 * KIB, 0.003600), (8 * KIB, 0.02879), (64 * KIB, 0.2119), (512 * KIB, 1.706),
            (4096 * KIB, 12.45), (32768 * KIB, 96.67),
        ),
        CAPACITY, "mm2", f"{CACTI}, 45 nm",
    ),
    sram_leak_mw=Curve(
        (
            (1 * KIB, 0.01417), (8 * KIB, 0.1078), (64 * KIB, 0.9782), (512 * KIB, 7.770),
            (4096 * KIB, 55.39), (32768 * KIB, 403.8),
        ),
        CAPACITY, "mW", f"{CACTI}, 45 nm",
    ),
    logic_leak_mw=Constant(
        7.395e-5 / 5.981e-6, "mW/mm2", f"{ALADDIN}: a register bit leaks 73.95 nW on 5.981 um2",
    ),
    dram_pj=Constant(
        1300 / 64, "pJ/bit",
        f"{HOROWITZ}: 1.3 to 2.6 nJ per 64 bits, the lower end (640 pJ per 32 bits {SURVEY})",
    ),
)

_BASE = HOROWITZ_45NM
_MAC_16_PJ = 2.0
_ENERGY = _MAC_16_PJ / _BASE.mac_pj(16)
_AREA = (65 / 45) ** 2
_ENERGY_NOTE = f"horowitz-45nm times {_ENERGY:.4g}, so that a 16-bit MAC takes 2 pJ ({NN_DATAFLOW})"
_AREA_NOTE = "horowitz-45nm times (65/45)^2"
_CORE_MM2, _IDLE_MW = 12.25, 30.0
_IDLE_NOTE = (
    f"30 mW idle ({NN_DATAFLOW}) over the 12.25 mm2 of the core (Chen et al., JSSC 52(1) 2017), spread evenly"
)
_SRAM_65NM_MM2 = Curve(
    (
        (1 * KIB, 0.007510), (8 * KIB, 0.05997), (64 * KIB, 0.4421), (512 * KIB, 3.558),
        (4096 * KIB, 25.96), (32768 * KIB, 193.9),
    ),
    CAPACITY, "mm2", f"{CACTI}, 65 nm",
)

EYERISS_65NM = Technology(
    name="eyeriss-65nm",
    node_nm=65,
    voltage_v=1.0,
    int_multiply_pj=_BASE.int_multiply_pj.scaled(_ENERGY, _ENERGY_NOTE),
    int_add_pj=_BASE.int_add_pj.scaled(_ENERGY, _ENERGY_NOTE),
    float_multiply_pj=_BASE.float_multiply_pj.scaled(_ENERGY, _ENERGY_NOTE),
    float_add_pj=_BASE.float_add_pj.scaled(_ENERGY, _ENERGY_NOTE),
    int_multiply_um2=_BASE.int_multiply_um2.scaled(_AREA, _AREA_NOTE),
    int_add_um2=_BASE.int_add_um2.scaled(_AREA, _AREA_NOTE),
    float_multiply_um2=_BASE.float_multiply_um2.scaled(_AREA, _AREA_NOTE),
    float_add_um2=_BASE.float_add_um2.scaled(_AREA, _AREA_NOTE),
    register_pj=Constant(1 / 16, "pJ/bit", f"{NN_DATAFLOW}: register file (261 words a PE) 1"),
    register_um2=_BASE.register_um2.scaled(_AREA, _AREA_NOTE),
    wire_pj=_BASE.wire_pj.scaled(
        (1.0 / 0.9) ** 2,
        "horowitz-45nm times (1.0 V / 0.9 V)^2; the capacitance per mm is the same across nodes",
    ),
    sram_pj=Curve(
        ((261 * 2, 1 / 16), (108 * KIB, 15 / 16)), CAPACITY, "pJ/bit",
        f"{NN_DATAFLOW}: register file (261 words) 1, global buffer (108 kB) 15",
    ),
    sram_mm2=_SRAM_65NM_MM2,
    sram_leak_mw=Curve(
        _SRAM_65NM_MM2.scaled(_IDLE_MW / _CORE_MM2, "").points, CAPACITY, "mW", _IDLE_NOTE,
    ),
    logic_leak_mw=Constant(_IDLE_MW / _CORE_MM2, "mW/mm2", _IDLE_NOTE),
    dram_pj=Constant(460 / 16, "pJ/bit", f"{NN_DATAFLOW}: DRAM 460"),
    hop_pj=Constant(4 / 16, "pJ/bit", f"{NN_DATAFLOW}: array 4"),
)

_TECHNOLOGIES = {tech.name: tech for tech in (HOROWITZ_45NM, EYERISS_65NM)}


def technology(name: str = DEFAULT_TECHNOLOGY) -> Technology:
    """Return a technology by name; raises `InputError` if there is none of that name."""
    if name in _TECHNOLOGIES:
        return _TECHNOLOGIES[name]
    hint = did_you_mean(name, _TECHNOLOGIES)
    raise InputError(f"technology {name!r} is not known{hint} (accepted: {', '.join(_TECHNOLOGIES)})")


def technology_names() -> tuple[str, ...]:
    """Names of the technologies that ship with the package."""
    return tuple(_TECHNOLOGIES)
