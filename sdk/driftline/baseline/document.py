"""The baseline as JSON: kilobytes, sparse arrays, exact floats.

Every value is checked when it is read: an edited or truncated file is refused with a message that names the key,
instead of a shape error at the first window.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from driftline.inputs.vocabulary import Vocabulary
from driftline.panes.embedding_projection import WIDTH
from driftline.panes.model_bins import ModelBins
from driftline.panes.outcome_sums import widths as outcome_widths
from driftline.panes.pane import DURATION_BOUNDS, Pane
from driftline.panes.pca import Space, widths
from driftline.panes.unbinned_values import part_width
from driftline.tables.classes import quantile_levels
from driftline.tables.task import KINDS, Task

from .codec import from_json, to_json
from .sections.catalogue import Extras

SCHEMA = "driftline.baseline/1"

Columns = dict[str, str | list[str]]

_REBUILD = "build the baseline again"


@dataclass(frozen=True, eq=False)
class Document:
    """The fields of a :class:`driftline.Baseline`, in the same order, which are the keys of its JSON."""

    model: str
    version: str
    task: Task
    bins: ModelBins
    pane: Pane
    columns: Columns = field(default_factory=dict)
    provisional: bool = False
    texts: Mapping[str, Vocabulary] = field(default_factory=dict)
    extras: Extras = field(default_factory=Extras)


T = TypeVar("T", bound=Document)


def dump(document: Document) -> str:
    """Return the canonical JSON text."""
    return _canonical({"schema": SCHEMA, "feature_order": list(document.bins.features), **to_json(document)})


def dump_bins(document: Document) -> str:
    """Return the canonical JSON text of bins and vocabularies. Panes with equal texts can be added."""
    folded_over = {"bins": to_json(document.bins), "texts": to_json(document.texts)}
    return _canonical({"feature_order": list(document.bins.features), **folded_over})


def _canonical(value: dict[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


_ESCAPED = re.compile(r"\\u[dD][89a-fA-F]")
"""The escape of half a surrogate pair, which is valid JSON."""


def parse(kind: type[T], text: str, where: str) -> T:
    """Read and check the JSON of a document. Raises ``ValueError`` as ``where: key: rule; fix``."""
    try:
        root = json.loads(text)
        if _ESCAPED.search(text):  # a lone surrogate is invalid in UTF-8, and in displayed names
            root = json.loads(json.dumps(root, ensure_ascii=False).encode("utf-8", "replace"))
    except ValueError as error:
        raise ValueError(f"{where}: this is not JSON ({error}): the file is cut off or edited; {_REBUILD}") from None
    except RecursionError:
        raise ValueError(f"{where}: this is not a baseline: it is nested too deeply; {_REBUILD}") from None
    if isinstance(root, dict) and "schema" not in root:
        raise ValueError(
            f"{where}: this is not a baseline, because it has no 'schema'; if the file contains rows, "
            "write them as a JSON list, or as one JSON object per line"
        )
    schema = root.get("schema") if isinstance(root, dict) else None
    if schema != SCHEMA:
        newer = isinstance(schema, str) and schema.startswith("driftline.baseline/")
        fix = "another version of driftline wrote it; use that one, or build the baseline again" if newer else _REBUILD
        raise ValueError(f"{where}: schema: {schema!r} is not {SCHEMA!r}; {fix}")
    try:
        order = from_json(list[str], root.get("feature_order"), "feature_order")
        document = _in_order(from_json(kind, root), order)
        _check(document)
    except ValueError as error:
        raise ValueError(f"{where}: {error}; the file is damaged or edited: {_REBUILD}") from None
    return document


def _in_order(document: T, order: list[str]) -> T:
    """Restore the order of the features, which sorted keys do not have."""
    bins, space = document.bins, document.bins.space
    if sorted(order) != sorted(bins.features):
        raise ValueError("feature_order: must name every feature once")
    if space is not None:
        space = Space({name: space.places[name] for name in order if name in space.places}, space.components)
    return replace(document, bins=replace(bins, features={name: bins.features[name] for name in order}, space=space))


def _check(document: Document) -> None:
    """Raise ``ValueError`` if the parts of a document do not fit each other."""
    _check_task(document.task)
    _check_lengths(document.pane, document.bins, document.task)
    try:
        document.extras.check_bins(document.bins)
    except ValueError as error:
        raise ValueError(f"extras.{error}") from None


def _check_task(task: Task) -> None:
    if task.kind and task.kind not in KINDS:
        *first, last = KINDS
        raise ValueError(f"task.kind: is {task.kind!r}, not {', '.join(first)} or {last}")
    # A model known only from spans may lack its positive class, or a class without rows.
    classes = task.classes
    if task.has_threshold and (len(classes) > 2 or (len(classes) == 2 and task.positive_class not in ("", *classes))):
        raise ValueError(
            f"task.positive_class: must be one of two classes, but is {task.positive_class!r}, "
            f"and the classes are {classes}"
        )
    if not 0 <= task.threshold <= 1:
        raise ValueError("task.threshold: must be a number between 0 and 1")
    try:
        quantile_levels(task.kind, task.quantiles)
    except ValueError as error:
        raise ValueError(f"task.quantiles: {error}") from None


def _check_lengths(pane: Pane, bins: ModelBins, task: Task) -> None:
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
        unbinned = part_width(name, len(bins.features))
        if unbinned is not None:
            width_by_part[name] = unbinned
        if values.ndim != 1 or (name in width_by_part and len(values) != width_by_part[name]):
            raise ValueError(f"pane.parts.{name}: has {values.size} entries, but needs {width_by_part.get(name)}")
        if name.startswith("feature:") and name not in width_by_part:
            raise ValueError(f"pane.parts.{name}: counts a feature that has no bins")
    for name in ("rows", *(f"feature:{feature}" for feature in bins.features)):
        if name not in pane.parts:
            raise ValueError(f"pane.parts.{name}: is missing")
