"""The baseline as JSON: kilobytes, sparse where zero, every float exact.

Schema ``driftline.baseline/1``; ``/2`` where it has text features, which a reader of ``/1`` would take for missing;
``/3`` where it has extras (:mod:`driftline.baseline.sections.catalogue`) or a space (:mod:`driftline.panes.pca`).

Everything that is read is checked, because a file that somebody edited or half copied must be refused in a sentence
that names the key, not fail as a shape error at the first window.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from driftline.baseline.sections.catalogue import FOLDED_OVER, Extras
from driftline.inputs.vocabulary import Vocabulary
from driftline.panes.bins import Bins, CategoryBins, from_json, to_json
from driftline.panes.embedding_projection import WIDTH
from driftline.panes.json_checks import floats, is_whole, short
from driftline.panes.model_bins import ModelBins
from driftline.panes.outcome_sums import widths as outcome_widths
from driftline.panes.pane import DURATION_BOUNDS, Pane
from driftline.panes.pca import Space, widths
from driftline.panes.unbinned_values import part_width
from driftline.tables.classes import quantile_levels
from driftline.tables.table import F64
from driftline.tables.task import KINDS, Task

SCHEMA, SCHEMA_WITH_TEXTS, SCHEMA_WITH_EXTRAS = (f"driftline.baseline/{version}" for version in (1, 2, 3))

Columns = dict[str, str | list[str]]

_REBUILD = "build the baseline anew"


class Fields(NamedTuple):
    """The fields of a :class:`driftline.Baseline`, in its order."""

    model: str
    version: str
    task: Task
    bins: ModelBins
    pane: Pane
    columns: Columns
    provisional: bool
    texts: Mapping[str, Vocabulary]
    extras: Extras


def dump(fields: Fields) -> str:
    """Return the canonical JSON text."""
    task, pane = fields.task, fields.pane
    value = {
        **_folded_over(fields),
        "schema": _schema(fields),
        "model": fields.model,
        "version": fields.version,
        "task": {
            "kind": task.kind,
            "classes": list(task.classes),
            "positive_class": task.positive_class,
            "threshold": short(task.threshold),
            **({"quantiles": [short(level) for level in task.quantiles]} if task.quantiles else {}),
        },
        "columns": fields.columns,
        "pane": {name: _vector_json(values) for name, values in pane.parts.items()},
        "provisional": fields.provisional,
    }
    if fields.extras:
        value["extras"] = fields.extras.to_json()
    return _canonical(value)


def _schema(fields: Fields) -> str:
    if fields.extras or fields.bins.space is not None:
        return SCHEMA_WITH_EXTRAS
    return SCHEMA_WITH_TEXTS if fields.texts else SCHEMA


def dump_bins(fields: Fields) -> str:
    """Return the canonical JSON text of what rows are folded over: panes of equal texts add up."""
    pieces = {name: piece for name, piece in fields.extras.to_json().items() if name in FOLDED_OVER}
    return _canonical(_folded_over(fields) | pieces)


def _folded_over(fields: Fields) -> dict[str, Any]:
    bins = fields.bins
    value: dict[str, Any] = {
        "features": {name: _bins_json(feature) for name, feature in bins.features.items()},
        "feature_order": list(bins.features),
        "score": None if bins.score is None else _bins_json(bins.score),
        "class": None if bins.classes is None else to_json(bins.classes),
    }
    if bins.space is not None:
        value["space"] = bins.space.to_json()
    if fields.texts:
        value["texts"] = {name: vocabulary.to_json() for name, vocabulary in fields.texts.items()}
    return value


def _canonical(value: dict[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


_ESCAPED = re.compile(r"\\u[dD][89a-fA-F]")
"""The escape of half a surrogate pair, which JSON may hold."""


def parse(text: str, where: str) -> Fields:
    """Read and check the JSON. Raises ``ValueError``: ``where: key: rule; fix``."""
    try:
        root = json.loads(text)
        if _ESCAPED.search(text):  # UTF-8 cannot hold half a pair, and neither can what lists the names
            root = json.loads(json.dumps(root, ensure_ascii=False).encode("utf-8", "replace"))
    except ValueError as error:
        raise ValueError(f"{where}: this is no JSON ({error}): the file is cut off or edited; {_REBUILD}") from None
    except RecursionError:
        raise ValueError(f"{where}: this is no baseline: it is nested too deeply; {_REBUILD}") from None
    if isinstance(root, dict) and "schema" not in root:
        raise ValueError(
            f"{where}: this is no baseline, for it has no 'schema'; rows in JSON are a list of objects, or one a line"
        )
    schema = root.get("schema") if isinstance(root, dict) else None
    if schema not in (SCHEMA, SCHEMA_WITH_TEXTS, SCHEMA_WITH_EXTRAS):
        newer = isinstance(schema, str) and schema.startswith("driftline.baseline/")
        fix = "a newer driftline wrote it; upgrade this one" if newer else _REBUILD
        raise ValueError(f"{where}: schema: {schema!r} is not {SCHEMA!r}; {fix}")
    read = _Reader(where)
    task = _task(read, read.get(root, "task", dict, ""))
    features = read.get(root, "features", dict, "")
    order = read.texts(root, "feature_order", "")
    if sorted(order) != sorted(features):
        raise read.error("feature_order", "must name every feature once")
    classes = None if root.get("class") is None else read.bins(root["class"], "class")
    if classes is not None and not isinstance(classes, CategoryBins):
        raise read.error("class", "must have categories")
    over = {name: read.bins(features[name], f"features.{name}") for name in order}
    bins = ModelBins(
        features=over,
        score=None if root.get("score") is None else read.bins(root["score"], "score"),
        classes=classes,
        space=None if root.get("space") is None else read.space(root["space"], over),
    )
    parts = read.get(root, "pane", dict, "")
    pane = Pane({name: read.vector(value, f"pane.{name}") for name, value in parts.items()})
    extras = read.extras(root, bins) if schema == SCHEMA_WITH_EXTRAS else Extras()
    if extras.embeddings is not None:
        bins = replace(bins, projections=dict(extras.embeddings.of))
    _check_lengths(read, pane, bins, task)
    columns = read.get(root, "columns", dict, "")
    for role, column in columns.items():
        if not isinstance(column, str) and not (isinstance(column, list) and all(isinstance(n, str) for n in column)):
            raise read.error(f"columns.{role}", "must be a column name or a list of them")
    wants_texts = schema == SCHEMA_WITH_TEXTS or (schema == SCHEMA_WITH_EXTRAS and "texts" in root)
    texts = read.get(root, "texts", dict, "") if wants_texts else {}
    return Fields(
        model=read.get(root, "model", str, ""),
        version=read.get(root, "version", str, ""),
        task=task,
        bins=bins,
        pane=pane,
        columns=columns,
        provisional=read.get(root, "provisional", bool, ""),
        texts={name: read.vocabulary(value, f"texts.{name}") for name, value in texts.items()},
        extras=extras,
    )


class _Reader:
    """Reads checked values; every error names file, key, rule and fix."""

    def __init__(self, where: str) -> None:
        self.where = where

    def error(self, key: str, rule: str) -> ValueError:
        return ValueError(f"{self.where}: {key}: {rule}; the file is damaged or edited: {_REBUILD}")

    def get(self, parent: Mapping[str, Any], key: str, kind: type, path: str) -> Any:
        full = f"{path}.{key}" if path else key
        if key not in parent:
            raise self.error(full, "is missing")
        if not isinstance(parent[key], kind):
            raise self.error(full, f"must be {_KINDS[kind]}, not {type(parent[key]).__name__}")
        return parent[key]

    def texts(self, parent: Mapping[str, Any], key: str, path: str) -> list[str]:
        values: list[str] = self.get(parent, key, list, path)
        if not all(isinstance(value, str) for value in values):
            raise self.error(f"{path}.{key}" if path else key, "must be a list of texts")
        return values

    def bins(self, value: object, key: str) -> Bins:
        try:
            return from_json(value)
        except (ValueError, OverflowError) as error:
            raise self.error(key, str(error)) from None

    def space(self, value: object, bins: Mapping[str, Bins]) -> Space:
        try:
            return Space.from_json(value, bins)
        except (ValueError, OverflowError) as error:
            raise self.error("space", str(error)) from None

    def vocabulary(self, value: object, key: str) -> Vocabulary:
        try:
            return Vocabulary.from_json(value)
        except ValueError as error:
            raise self.error(key, str(error)) from None

    def extras(self, root: Mapping[str, Any], bins: ModelBins) -> Extras:
        try:
            return Extras.from_json(self.get(root, "extras", dict, ""), bins)
        except ValueError as error:
            key, _, rule = str(error).partition(": ")
            raise self.error(f"extras.{key}", rule) from None

    def vector(self, value: object, key: str) -> F64:
        if isinstance(value, list):
            return self._floats(value, key)
        if not isinstance(value, dict) or value.keys() != {"size", "at", "values"}:
            raise self.error(key, "must be a list of numbers or {size, at, values}")
        size, indices = value["size"], value["at"]
        if not is_whole(size) or not 0 <= size <= 1_000_000:
            raise self.error(f"{key}.size", "must be a whole number up to 1,000,000")
        if not isinstance(indices, list) or not all(is_whole(index) and 0 <= index < size for index in indices):
            raise self.error(f"{key}.at", "must be a list of positions below size")
        values = self._floats(value["values"], f"{key}.values")
        if len(indices) != len(values):
            raise self.error(key, f"has {len(indices)} positions but {len(values)} values")
        dense = np.zeros(size)
        dense[np.array(indices, dtype=np.intp)] = values
        return dense

    def _floats(self, values: object, key: str) -> F64:
        try:
            return floats(values)
        except ValueError as error:
            raise self.error(key, str(error)) from None


_KINDS: dict[type, str] = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}


def _task(read: _Reader, value: dict[str, Any]) -> Task:
    kind = read.get(value, "kind", str, "task")
    classes = tuple(read.texts(value, "classes", "task"))
    positive = read.get(value, "positive_class", str, "task")
    threshold = value.get("threshold")
    if kind and kind not in KINDS:
        *first, last = KINDS
        raise read.error("task.kind", f"is {kind!r}, not {', '.join(first)} or {last}")
    # Of a model that only spans describe, the positive class may not be known, and one class may not have been seen.
    if Task(kind).has_threshold and (len(classes) > 2 or (len(classes) == 2 and positive not in ("", *classes))):
        raise read.error("task.positive_class", f"must be one of two classes, but is {positive!r} of {classes}")
    if not isinstance(threshold, int | float) or isinstance(threshold, bool) or not 0 <= threshold <= 1:
        raise read.error("task.threshold", "must be a number between 0 and 1")
    try:
        quantiles = quantile_levels(kind, value.get("quantiles", ()))
    except (TypeError, ValueError) as error:
        raise read.error("task.quantiles", str(error)) from None
    return Task(kind, classes, positive, float(threshold), quantiles=quantiles)


def _check_lengths(read: _Reader, pane: Pane, bins: ModelBins, task: Task) -> None:
    width_by_part = {f"feature:{name}": feature.size + 2 for name, feature in bins.features.items()}
    width_by_part |= {f"embedding:{name}": 1 + WIDTH for name in bins.projections}
    width_by_part |= {"rows": 3, "duration": len(DURATION_BOUNDS) + 2} | dict(outcome_widths(task))
    if bins.score is not None:
        width_by_part["score"] = bins.score.size + 2
    if bins.classes is not None:
        width_by_part["class"] = bins.classes.size + 2
    if bins.space is not None:
        width_by_part |= widths(len(bins.space.names))
    for name, values in pane.parts.items():
        strayed = part_width(name, len(bins.features))
        if strayed is not None:
            width_by_part[name] = strayed
        if name in width_by_part and len(values) != width_by_part[name]:
            raise read.error(f"pane.{name}", f"has {len(values)} entries where {width_by_part[name]} belong")
        if name.startswith("feature:") and name not in width_by_part:
            raise read.error(f"pane.{name}", "counts a feature that has no bins")
    for name in ("rows", *(f"feature:{feature}" for feature in bins.features)):
        if name not in pane.parts:
            raise read.error(f"pane.{name}", "is missing")


def _bins_json(bins: Bins) -> dict[str, Any]:
    value = to_json(bins)
    return {key: [short(v) if isinstance(v, float) else v for v in values] for key, values in value.items()}


def _vector_json(values: F64) -> Any:
    filled = np.flatnonzero(values)
    if 2 * len(filled) < len(values):
        return {"size": len(values), "at": filled.tolist(), "values": [short(v) for v in values[filled].tolist()]}
    return [short(v) for v in values.tolist()]
