"""What explores: `ask` for points, `tell` their outcomes. Samplers, policies and grids all look like this."""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, get_type_hints

import numpy as np

from ..errors import CyclescapeError, InputError, did_you_mean, said
from ..simulator.objective import Objective, Outcome
from ..simulator.space import Index, Space

if TYPE_CHECKING:
    from ..simulator.problem import Problem
    from ..simulator.store import ResultStore

__all__ = [
    "Point", "Searcher", "make_searcher", "proposed", "register", "searcher_names", "searcher_options", "searcher_summary",
]  # fmt: skip

GROUP = "cyclescape.searchers"
"""Entry points of further searchers: `Searcher` classes, or callables with the same arguments."""

_BUILT_IN = {
    "a2c": "policies:A2c",
    "annealing": "annealing:Annealing",
    "ants": "ants:Ants",
    "assisted": "assisted:Assisted",
    "auto": "auto:Auto",
    "bottleneck": "bottleneck:Bottleneck",
    "dqn": "policies:Dqn",
    "genetic": "evolution:Genetic",
    "gp": "optuna_searchers:Gp",
    "grid": "model_free:Grid",
    "guided": "guided:Guided",
    "ippo": "multi_agent:Ippo",
    "nsga2": "evolution:Nsga2",
    "ppo": "policies:Ppo",
    "random": "model_free:Random",
    "sac": "policies:Sac",
    "sobol": "model_free:Sobol",
    "tpe": "optuna_searchers:Tpe",
    "transfer": "transfer.searcher:Transfer",
}
_registered: dict[str, Callable[..., Searcher]] = {}

Point = dict[str, Any]
Factory = TypeVar("Factory", bound=Callable[..., Any])


class Searcher(ABC):
    """Base of all searchers. Equal arguments and outcomes give equal proposals.

    `space` is what may be proposed, `objective` what is asked for, `budget` how many designs will be paid
    for. Further keyword arguments of a subclass are its hyper-parameters, given as `name:key=value,...`.
    """

    name: ClassVar[str] = ""
    oblivious: ClassVar[bool] = False
    """Whether outcomes change nothing, so that it may be asked for any number of points at once."""

    def __init__(self, space: Space, objective: Objective, *, budget: int, seed: int) -> None:
        self.space, self.objective, self.budget, self.seed = space, objective, budget, seed
        self.rng = np.random.default_rng([seed, *self.name.encode()])
        self.seen: set[Index] = set()
        """Every point that was proposed or told, as indices."""

    def meet(self, problem: Problem) -> None:  # noqa: B027  (most need no more than the space)
        """Called once before anything is written, with workloads and machine; raises `InputError` where those do not fit."""

    def begin(self, problem: Problem, store: ResultStore | None, study: str) -> None:  # noqa: B027  (most look at points alone)
        """Called once by a search before it first asks: what is explored, and what was known when the study began.

        `store.rows(before=study)` are the evaluations that were there, the same ones when a study is gone on with.
        """

    @abstractmethod
    def ask(self, n: int) -> list[Point]:
        """Propose up to n points; none at all if there is nothing left to propose."""

    def points(self, n: int, following: Callable[[], Index | None]) -> list[Point]:
        """Return up to n points, each what `following` says next, until that is None."""
        found: list[Point] = []
        while len(found) < n and (index := following()) is not None:
            found.append(self.space.point(index))
        return found

    def tell(self, points: Sequence[Mapping[str, Any]], outcomes: Sequence[Outcome]) -> None:
        """Learn how points did, whoever proposed them."""
        for point in points:
            index = self.index(point)
            if index is not None:
                self.seen.add(index)

    def index(self, point: Mapping[str, Any]) -> Index | None:
        """The point's place in the space; None if it is off the grid."""
        try:
            return self.space.index(point)
        except (InputError, KeyError):
            return None

    def unseen(self) -> Index | None:
        """A point drawn uniformly from those not seen yet; None if there are none. It counts as seen."""
        for _ in range(64):
            index = tuple(int(i) for i in self.rng.integers(0, np.array(self.space.sizes)))
            if index not in self.seen:
                self.seen.add(index)
                return index
        # So many misses mean that a good part of the space is seen, which therefore is small.
        left = [i for i in map(self.space.unrank, range(len(self.space))) if i not in self.seen]
        if not left:
            return None
        index = left[int(self.rng.integers(len(left)))]
        self.seen.add(index)
        return index

    def nearest_unseen(self, index: Index) -> Index | None:
        """A point not seen yet that is fewest steps away from a point (itself, if it is one); then seen.

        Beyond some thousand neighbours it is drawn from the whole space.
        """
        ring, reached = [index], {index}
        while ring and len(reached) < 4096:
            free = [there for there in ring if there not in self.seen]
            if free:
                near = free[int(self.rng.integers(len(free)))]
                self.seen.add(near)
                return near
            ring = [there for here in ring for there in self.space.neighbours(here) if there not in reached]
            ring = list(dict.fromkeys(ring))
            reached.update(ring)
        return self.unseen()


def proposed(space: Space, given: Any) -> Point:
    """A proposal as a point of plain values, those of the grid as declared; a value off the grid is kept.

    Raises `InputError` for what names other parameters than the space, or has values that are not plain.
    """
    if not isinstance(given, Mapping) or set(given) != set(space.names):
        raise InputError(f"{given!r} is no point (accepted: a value for each of {', '.join(space.names)})")
    point: Point = {}
    for name, listed in space.values.items():
        value = given[name].item() if isinstance(given[name], np.generic) else given[name]
        if not isinstance(value, bool | int | float | str | None):
            raise InputError(f"{name}={value!r}: not a plain value (accepted: a number, a text, true, false or none)")
        point[name] = listed[listed.index(value)] if value in listed else value
    return point


def register(name: str) -> Callable[[Factory], Factory]:
    """Add a searcher from a script or notebook, as a decorator. A plugin uses an entry point."""

    def add(factory: Factory) -> Factory:
        _registered[name] = factory
        return factory

    return add


def searcher_names() -> tuple[str, ...]:
    """Names of every searcher, without importing any."""
    return tuple(sorted({*_BUILT_IN, *_registered, *(point.name for point in entry_points(group=GROUP))}))


def searcher_summary(name: str) -> str:
    """The first line of what a searcher says of itself."""
    return (inspect.getdoc(_find(name)) or "").partition("\n")[0]


def searcher_options(name: str) -> dict[str, Any]:
    """Hyper-parameters of a searcher: its further keyword arguments, each with its annotation and marks."""
    factory = _find(name)
    try:
        called = getattr(factory, "__init__") if isinstance(factory, type) else factory  # noqa: B009
        hints = get_type_hints(called, include_extras=True)
    except (NameError, TypeError):  # names that only a type checker imports
        hints = {}
    given = [p for p in inspect.signature(factory).parameters.values() if p.kind is p.KEYWORD_ONLY]
    return {p.name: hints.get(p.name, p.annotation) for p in given if p.name not in ("budget", "seed")}


def make_searcher(spec: str, space: Space, objective: Objective, *, budget: int, seed: int) -> Searcher:
    """Build a searcher from `name` or `name:key=value,...`; raises `InputError`."""
    if not isinstance(spec, str):
        raise InputError(f"agent={spec!r}: accepted: text, one of {', '.join(searcher_names())}, perhaps with :key=value,...")
    name, _, text = spec.strip().partition(":")
    factory = _find(name)
    options = dict(_option(spec, part) for part in text.split(",") if part.strip())
    accepted = searcher_options(name)
    for option in options:
        if option not in accepted:
            raise InputError(f"agent {spec!r}: no option {option!r} (accepted: {', '.join(accepted) or 'none'})")
    failure: BaseException | None = None
    try:
        searcher = factory(space, objective, budget=budget, seed=seed, **options)
    except CyclescapeError:
        raise  # the agent says best what it accepts
    except (Exception, SystemExit) as error:
        failure = error
    for option, value in options.items():
        if wanted := _unfit(accepted[option], value):
            raise InputError(f"agent {spec!r}: {option}={value}: accepted: {wanted}") from failure
    if failure is not None:
        raise InputError(f"agent {spec!r} could not be made: {said(failure)}") from failure
    if not isinstance(searcher, Searcher):
        raise InputError(f"agent {spec!r}: {type(searcher).__name__} is not a Searcher")
    return searcher


def _find(name: str) -> Callable[..., Any]:
    if name in _registered:
        return _registered[name]
    if name in _BUILT_IN:
        module, _, attribute = _BUILT_IN[name].partition(":")
        factory: Callable[..., Any] = getattr(import_module(f".{module}", __package__), attribute)
        return factory
    for point in entry_points(group=GROUP):
        if point.name == name:
            try:
                plugin: Callable[..., Any] = point.load()
            except Exception as error:
                raise InputError(f"agent {name!r}: its plugin could not be loaded: {said(error)}") from error
            return plugin
    known = searcher_names()
    hint = did_you_mean(name, known)
    raise InputError(f"agent {name!r} is not known{hint} (accepted: {', '.join(known)})")


def _unfit(annotation: Any, value: Any) -> str:
    """What an option that is declared a number or a switch accepts, if a value is none; else ""."""
    kind = annotation.__origin__ if hasattr(annotation, "__metadata__") else annotation
    if kind is int and type(value) is not int:
        return "a whole number"
    if kind is float and (type(value) not in (int, float) or not math.isfinite(value)):
        return "a number"
    return "true, false" if kind is bool and type(value) is not bool else ""


def _option(spec: str, text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"agent {spec!r}: {text.strip()!r} is not understood (accepted: key=value)")
    value = value.strip()
    for read in (int, float):
        try:
            return key.strip(), read(value)
        except ValueError:
            continue
    return key.strip(), {"true": True, "false": False}.get(value.lower(), value)
