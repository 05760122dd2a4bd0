"""Evaluations as JSON, object by object: how releases before compact ones stored them.

Nothing writes this form any more. A state of such a release is read as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.evaluation import Curve, Evaluation, LastingDrift


def evaluation_from_text(text: str) -> Evaluation:
    """Read an evaluation from its JSON.

    A field that an older release did not write keeps its default; one that is no more is passed over.
    """
    said = json.loads(text)
    evaluation: Evaluation = _reader(Evaluation)(
        {one.name: said[one.name] for one in fields(Evaluation) if one.name in said}
    )
    return evaluation


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    """Return a function that makes a value of a type from the JSON of one."""
    origin, inner = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        readers = {name: read for name in hints if (read := _reader(hints[name])) is not _as_it_is}
        if kind is Curve:
            readers["points"] = readers["limits"] = _points

        def read_fields(said: dict[str, Any]) -> Any:
            if kind is LastingDrift and "of" not in said:
                said = _lasting_of_old(said)
            known = {name: said[name] for name in said if name in hints}  # another release may have more fields
            for name in readers.keys() & known.keys():
                known[name] = readers[name](known[name])
            if known.get("state") == "too_few_rows":  # the word of releases that did not say what lacks
                known |= {"state": "cannot_tell"} | ({"lacking": "rows"} if "lacking" in hints else {})
            return kind(**known)  # type: ignore[operator]

        return read_fields
    if origin in (Union, UnionType) and NoneType in inner:
        one = _reader(next(part for part in inner if part is not NoneType))
        return one if one is _as_it_is else lambda said: None if said is None else one(said)
    if origin is dict:
        one = _reader(inner[1])
        return one if one is _as_it_is else lambda said: {name: one(value) for name, value in said.items()}
    if origin is tuple:
        one = _reader(inner[0])
        return tuple if one is _as_it_is else lambda said: tuple(map(one, said))
    return _array if origin is np.ndarray else _as_it_is


def _lasting_of_old(said: dict[str, Any]) -> dict[str, Any]:
    """Return what releases told that took dependence for known: it stands, and later evidence begins anew."""
    told = said["columns"].items()
    found = {part: (one["since"], one["found"]) for part, one in told if one["found"] is not None}
    anew = {part: one["since"] for part, one in told}
    names = ("measure", "measures"), ("shift", "shifts"), ("windows", "steps"), ("evidence", "evidence")
    columns = {many: [one[name] for _, one in told] for name, many in names}
    return {"of": "", "parts": list(anew), "recent": [0] * len(anew), "anew": anew, "found": found, **columns}


def _as_it_is(said: Any) -> Any:
    return said


def _array(said: list[Any]) -> F64:
    return np.array(said, dtype=np.float64)


def _points(said: list[Any] | None) -> F64 | None:
    return None if said is None else _array(said).reshape(-1, 2)
