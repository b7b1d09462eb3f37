"""A trained policy as a file: numbers and one JSON header in an .npz, which holds no code and runs none when read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...errors import InputError, explain
from ...reading import arrays_in, parse_json, read_bytes
from ...simulator.files import replaced
from ...simulator.objective import Objective
from .network import PolicyNetwork
from .ranking import Standard

__all__ = ["VERSION", "Header", "Policy"]

VERSION = 1
_LARGEST = 256 << 20  # bytes of all arrays together
_MOST = 1e12
"""Features are logarithms and shares, weights are near 1: larger ones are damage, and their squares no numbers."""
_MADE = "a file of `cyclescape policy train`"
_ACCEPTED = f"accepted: {_MADE}"


class Header(BaseModel):
    """What a policy was trained on and for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_name: Literal["cyclescape-policy"] = "cyclescape-policy"
    version: Literal[1] = 1
    kind: Literal["ranking", "network"]
    accelerator: str
    values: dict[str, tuple[Any, ...]]
    """Explored values of each parameter; the columns of `designs` are places among them."""
    fixed: dict[str, Any]
    objective: Objective
    features: tuple[str, ...]
    workloads: Annotated[tuple[str, ...], Field(min_length=1)]
    digests: tuple[str, ...]
    model: str
    """Digest of the simulator's sources."""
    made_by: str
    """Version of the package."""
    trained: dict[str, Any]
    """How: agents, budgets, seeds, numbers of evaluations."""


@dataclass(frozen=True)
class Policy:
    """A header, the training workloads' features float64[w, f], and what was learned, by kind.

    ranking: `designs` int16[d, axes] and `excess` float32[d, w] (decades beyond the best design of each workload,
    broken constraints charged). network: the weights of a `PolicyNetwork`.
    """

    header: Header
    features: np.ndarray
    arrays: dict[str, np.ndarray]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of values of each parameter."""
        return tuple(len(listed) for listed in self.header.values.values())

    @property
    def standard(self) -> Standard:
        """How features are standardised."""
        return Standard.of(self.features)

    @property
    def network(self) -> PolicyNetwork:
        """The policy network, of a policy of that kind."""
        return PolicyNetwork(self.sizes, self.arrays)

    def write(self, path: str | Path) -> Path:
        """Write the file, whole or not at all; raises `InputError`."""
        target = Path(path)
        text = np.frombuffer(self.header.model_dump_json().encode(), dtype=np.uint8)
        with replaced(target, "a path that can be written") as partial, partial.open("wb") as file:
            np.savez_compressed(file, header=text, features=self.features, **self.arrays)  # type: ignore[arg-type]
        return target

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read and check a file; raises `InputError` in one line for one that is damaged or something else."""
        arrays = arrays_in(read_bytes(path, _LARGEST, _MADE), str(path), _LARGEST)
        if not {"header", "features"} <= arrays.keys():
            raise InputError(f"{path}: no policy: header or features are missing ({_ACCEPTED})")
        told = parse_json(arrays.pop("header").tobytes(), f"{path}: header")
        features = arrays.pop("features")
        version = told.get("version") if isinstance(told, dict) else None
        if isinstance(version, int) and version > VERSION:
            raise InputError(f"{path}: version {version} of the format; this cyclescape reads up to {VERSION}")
        try:
            policy = cls(Header.model_validate(told), features, arrays)
        except ValidationError as error:
            raise InputError(f"{path}: header: {explain(error)} ({_ACCEPTED})") from None
        if what := policy._wrong():
            raise InputError(f"{path}: {what} ({_ACCEPTED})")
        return policy

    def _wrong(self) -> str:
        """What does not fit together; "" if everything does."""
        header, sizes = self.header, self.sizes
        count, wide = len(header.workloads), len(header.features)
        if not sizes or min(sizes) < 1 or len(header.digests) != count:
            return "header: values or digests are missing"
        wanted: dict[str, tuple[int, ...]]
        if header.kind == "ranking":
            shape = self.arrays["designs"].shape if "designs" in self.arrays else ()
            designs = shape[0] if shape else 0
            if not designs:
                return "designs: there are none"
            wanted = {"designs": (designs, len(sizes)), "excess": (designs, count)}
        else:
            hidden = self.arrays["b1"].shape[0] if self.arrays.get("b1", np.empty(())).ndim == 1 else 0
            wanted = PolicyNetwork.shapes(sizes, wide, hidden)
        for name, shape in {"features": (count, wide), **wanted}.items():
            array = self.features if name == "features" else self.arrays.get(name)
            if array is None or array.shape != shape:
                return f"{name}: shape {None if array is None else array.shape}, where {shape} is wanted"
            if array.dtype.kind not in "fi" or not (np.abs(array.astype(float)) <= _MOST).all():
                return f"{name}: not all are numbers of at most {_MOST:g}"
        if header.kind == "ranking":
            designs_ = self.arrays["designs"]
            if designs_.dtype.kind != "i" or (designs_ < 0).any() or (designs_ >= np.array(sizes)).any():
                return "designs: a place beyond the values of its parameter"
        return ""


