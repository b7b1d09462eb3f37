"""Address mappings: which address bits make which coordinate, as XOR lists.

Every mapping here is linear over bits, so one form serves all: for each bit of each coordinate the set
of address bits whose parity it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....errors import InputError
from ....reading import read_yaml
from .devices import Device

__all__ = ["FIELDS", "MAPPINGS", "AddressMapping", "address_mapping", "custom_mapping", "load_mapping"]

FIELDS = ("channel", "rank", "sid", "group", "bank", "row", "column")
MAPPINGS = ("RoBaRaCoCh", "ChRaBaRoCo", "MOP4CLXOR")
_ADDRESS_BITS = 63

Bits = tuple[int, ...]
"""Masks of address bits, one for each bit of a coordinate from bit 0 up."""


def field_widths(device: Device, channels: int) -> dict[str, int]:
    """Bits of each coordinate; columns are counted in accesses."""
    o = device.organisation
    sizes = (channels, o.ranks, o.sids, o.bankgroups, o.banks, o.rows, max(1, o.columns // device.prefetch))
    return {name: size.bit_length() - 1 for name, size in zip(FIELDS, sizes)}


@dataclass(frozen=True)
class AddressMapping:
    """A linear map from byte addresses to coordinates."""

    name: str
    fields: Mapping[str, Bits]

    @cached_property
    def terms(self) -> NDArray[np.int64]:
        """Rows (field, right shift, mask): a coordinate is the XOR of (address >> shift) & mask over its rows.

        A negative shift shifts left.
        """
        rows = []
        for index, name in enumerate(FIELDS):
            shifts: dict[int, int] = {}
            for bit, mask in enumerate(self.fields[name]):
                for source in range(_ADDRESS_BITS):
                    if mask >> source & 1:
                        shifts[source - bit] = shifts.get(source - bit, 0) | 1 << bit
            rows += [(index, shift, mask) for shift, mask in sorted(shifts.items())]
        return np.array(rows, np.int64).reshape(-1, 3)

    def decode(self, address: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
        """Coordinates of byte addresses (int64 array), one array per field."""
        out = {name: np.zeros_like(address) for name in FIELDS}
        for index, shift, mask in self.terms.tolist():
            out[FIELDS[index]] ^= (address >> shift if shift >= 0 else address << -shift) & mask
        return out


def address_mapping(name: str, device: Device, channels: int = 1) -> AddressMapping:
    """One of the named mappings of Ramulator 2.1 for this device, or that of a YAML file.

    Channel bits lie just above the transaction offset. From low to high follow, for `RoBaRaCoCh`:
    column, rank, SID, group, bank, row; for `ChRaBaRoCo`: column, row, bank, group, SID, rank; for
    `MOP4CLXOR`: two column bits, rank, SID, group, bank, the other column bits, and the row, with rank,
    SID, group, bank and row XORed with successive bits of the column.
    """
    if channels & (channels - 1) or channels < 1:
        raise InputError(f"channels={channels}: accepted: a power of two")
    if name.endswith((".yaml", ".yml")):
        return load_mapping(name, device, channels)
    orders = {
        "RoBaRaCoCh": ("column", "rank", "sid", "group", "bank", "row"),
        "ChRaBaRoCo": ("column", "row", "bank", "group", "sid", "rank"),
        "MOP4CLXOR": ("column", "rank", "sid", "group", "bank", "column", "row"),
    }
    if name not in orders:
        raise InputError(f"mapping {name!r}: accepted: {', '.join(MAPPINGS)}, or a .yaml file")
    widths = field_widths(device, channels)
    position = (device.transaction_bytes - 1).bit_length()
    fields: dict[str, list[int]] = {field: [] for field in FIELDS}

    def take(field: str, count: int) -> None:
        nonlocal position
        fields[field] += [1 << (position + bit) for bit in range(count)]
        position += count

    take("channel", widths["channel"])
    mop = name == "MOP4CLXOR"
    low_columns = min(2, widths["column"]) if mop else widths["column"]
    first = True
    for field in orders[name]:
        if field == "column":
            take(field, low_columns if first else widths["column"] - low_columns)
            first = False
        elif field == "row" and mop:
            take(field, _ADDRESS_BITS - position)  # the row keeps every bit that is left
        else:
            take(field, widths[field])
    if mop:
        source = 0
        for field in ("rank", "sid", "group", "bank", "row"):
            for bit in range(widths[field]):
                if source < widths["column"]:
                    fields[field][bit] ^= fields["column"][source]
                    source += 1
    return AddressMapping(name, {field: tuple(masks) for field, masks in fields.items()})


def custom_mapping(spec: Mapping[str, Any], device: Device, channels: int = 1, *, name: str = "custom") -> AddressMapping:
    """A mapping from lists of address bits, lowest first; a bit may itself be a list, which is XORed.

    Raises `InputError` for an unknown field, a wrong number of bits, or coordinates that are not independent
    (two addresses of the device would share a place).
    """
    widths = field_widths(device, channels)
    for field in spec:
        if field not in FIELDS:
            raise InputError(f"{name}: {field!r} is not a field; accepted: {', '.join(FIELDS)}")
    fields: dict[str, Bits] = {}
    for field in FIELDS:
        bits = spec.get(field, [])
        if not isinstance(bits, Sequence) or isinstance(bits, str) or len(bits) != widths[field]:
            raise InputError(f"{name}.{field}={bits!r}: accepted: a list of {widths[field]} address bits for {device.name}")
        masks = []
        for bit in bits:
            sources = bit if isinstance(bit, Sequence) and not isinstance(bit, str) else [bit]
            mask = 0
            for source in sources:
                if not isinstance(source, int) or isinstance(source, bool) or not 0 <= source < _ADDRESS_BITS:
                    raise InputError(f"{name}.{field}: {source!r} is not an address bit; accepted: 0 to {_ADDRESS_BITS - 1}")
                mask ^= 1 << source
            masks.append(mask)
        fields[field] = tuple(masks)
    _check_independent(name, fields)
    return AddressMapping(name, fields)


def load_mapping(path: str | Path, device: Device, channels: int = 1) -> AddressMapping:
    """A mapping from a YAML file: for each coordinate its list of address bits, as `custom_mapping` takes it."""
    spec = read_yaml(path)
    if not isinstance(spec, Mapping):
        raise InputError(f"{path}: accepted: a mapping from {', '.join(FIELDS)} to lists of address bits")
    return custom_mapping(spec, device, channels, name=str(path))


def _check_independent(name: str, fields: Mapping[str, Bits]) -> None:
    basis: dict[int, int] = {}
    for field, masks in fields.items():
        for bit, mask in enumerate(masks):
            rest = mask
            while rest:
                top = rest.bit_length() - 1
                if top not in basis:
                    basis[top] = rest
                    break
                rest ^= basis[top]
            if not rest:
                raise InputError(f"{name}.{field}: bit {bit} repeats what other bits already say")
