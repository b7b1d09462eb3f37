"""A design: the parameters of one machine, declared once.

A machine's parameters are the fields of a `Design` subclass. From the declaration come validation,
the command line, the Gymnasium and Optuna spaces, the sweep grid, the surrogate's features and the
docs table.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any, ClassVar, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import DesignError, did_you_mean, explain
from .parameters import Parameter

__all__ = ["Design"]


class Design(BaseModel):
    """Base of every machine's parameters: frozen, validated, hashable, JSON both ways."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Named designs: the parameters in which they differ from the defaults."""

    @classmethod
    @cache
    def parameters(cls) -> Mapping[str, Parameter]:
        """Every parameter by name, in declaration order."""
        return {name: Parameter.of(name, field) for name, field in cls.model_fields.items()}

    @classmethod
    def make(cls, values: Mapping[str, Any] | None = None, *, preset: str | None = None) -> Self:
        """Build a design from values over a preset; raises `DesignError` in one line."""
        merged: dict[str, Any] = {}
        if preset is not None:
            if preset not in cls.presets:
                presets = ", ".join(sorted(cls.presets)) or "none"
                raise DesignError(f"preset {preset!r} is not known; accepted: {presets}")
            merged.update(cls.presets[preset])
        merged.update(values or {})
        known = cls.model_fields
        for name in merged:
            if name not in known:
                hint = did_you_mean(name, known)
                accepted = ", ".join(known)
                raise DesignError(f"{name}: unknown parameter{hint} (accepted: {accepted})")
            if isinstance(merged[name], bool) and not cls.takes_flag(name):
                raise DesignError(f"{name}={merged[name]!r}: accepted: a number, not yes or no")
        try:
            return cls.model_validate(merged)
        except ValidationError as error:
            raise DesignError(explain(error)) from None

    @classmethod
    def takes_flag(cls, name: str) -> bool:
        """Whether True and False are values of a parameter of their own, and not taken for 1 and 0."""
        annotation = cls.model_fields[name].annotation
        kinds = get_args(annotation) or (annotation,)
        return bool in kinds or not {int, float} & {kind for kind in kinds if isinstance(kind, type)}

    @cached_property
    def canonical(self) -> str:
        """The design as JSON with sorted keys: equal designs give equal text."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with some values replaced, unchecked; the text of the original does not go with it."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("canonical", None)
        return copied

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical form."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    def __str__(self) -> str:
        changed = {k: v for k, v in self.model_dump().items() if v != type(self).model_fields[k].default}
        return ", ".join(f"{k}={v}" for k, v in changed.items()) or "defaults"
