"""Build an object of any dataclass or struct with something in every field, by the types of its fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
from driftline_processor.core import facts
from driftline_processor.core.evaluation import KindOfChange, LaterFinding, Verdict
from driftline_processor.core.fact import Fact


class Builder:
    """Builds objects whose numbers, choices and gaps follow from a seed. ``gaps``: the share of what may be None."""

    def __init__(self, seed: int, gaps: float = 0.0, depth: int = 12) -> None:
        self._random = np.random.default_rng(seed)
        self._gaps, self._depth = gaps, depth

    def build(self, kind: Any) -> Any:
        """Return a value of a type."""
        origin, inner = get_origin(kind), get_args(kind)
        if kind is Fact:
            return facts.PositiveRate(observed=float(self._random.random()), expected=0.5)
        if dataclasses.is_dataclass(kind) or hasattr(kind, "__struct_fields__"):
            self._depth -= 1
            hints = get_type_hints(kind)
            struct = getattr(kind, "__struct_fields__", None)
            names = [one.name for one in dataclasses.fields(kind) if one.init] if struct is None else struct
            made = {name: self.build(hints[name]) for name in names}
            if kind is KindOfChange:
                made["evidence"] = (self.build(Fact),)
            if kind in (LaterFinding, Verdict):
                made["advice"] = facts.SendOutcomes()
            self._depth += 1
            return kind(**made)
        if origin in (Union, UnionType):
            if NoneType in inner and self._random.random() < self._gaps:
                return None
            known = [one for one in inner if one is not NoneType]
            return self.build(known[int(self._random.integers(len(known)))])
        if origin is Literal:
            return inner[int(self._random.integers(len(inner)))]
        if origin in (dict, Mapping):
            many = int(self._random.integers(3)) if self._depth > 0 else 0
            return {f"{self._text()}{at}": self.build(inner[1]) for at in range(many)}
        if origin is tuple:
            if inner[1:] == (...,):
                return tuple(self.build(inner[0]) for _ in range(int(self._random.integers(3))))
            return tuple(self.build(one) for one in inner)
        if origin is np.ndarray:
            return self._random.random((int(self._random.integers(1, 4)), 2))
        if kind is str:
            return "" if self._random.random() < self._gaps else self._text()
        if kind is bool:
            return bool(self._random.random() < 0.5)
        if kind is int:
            return 0 if self._random.random() < self._gaps else int(self._random.integers(1, 2**55))
        if kind is float:
            return float(self._random.normal())
        raise TypeError(f"no value of type {kind} is known")

    def _text(self) -> str:
        return "abcdé"[: int(self._random.integers(1, 6))]
