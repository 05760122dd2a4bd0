"""The plan of a call, computed once at decoration, and the living pipelines and plans of a process."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from driftline.faults import FAULTS, logger
from driftline.outputs import rankings, result_copy
from driftline.outputs.output import UnreadResult, describe
from driftline.semconv import attributes as a

from .row_schema import RowSchema
from .signature import Inputs, Selector

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from driftline.tables.task import Task

    from .model_identity import Identity
    from .result_selectors import ResultPart


T = TypeVar("T")


class LiveObjects(Generic[T]):
    """Weak set of objects, with listeners for new ones.

    ``listeners``: functions that are called with each new object.
    """

    def __init__(self) -> None:
        self._objects: weakref.WeakSet[T] = weakref.WeakSet()
        self.listeners: list[Callable[[T], object]] = []

    def add(self, target: T) -> None:
        """Add an object and call the listeners."""
        self._objects.add(target)
        for listener in self.listeners:
            listener(target)

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._objects))


_MOST_NAMES = 200_000
_MOST_KNOWN = 10_000
_MOST_SHAPES = 1000
"""Row schemas kept per plan. Names that change with every call are values in disguise, and keeping them would be a
leak.
"""
_MOST_REMEMBERED = 1000


_IDENTITY = (a.ML_MODEL_NAME, a.ML_MODEL_VERSION, a.ML_MODEL_TASK)


class EntrySink(Protocol):
    """Receiver of the entries of calls: the pipeline of the model.

    Attributes:
        recording: True if entries reach a record; exported on spans as ``driftline.prediction.recorded``.
        session: Another object while a test diverts the entries.
    """

    recording: bool
    session: object

    def append(self, entry: Any, cost: int, rows: int, /) -> bool:
        """Append an entry of about ``cost`` bytes and ``rows`` rows; return False if the sink is closed."""


@dataclass(eq=False)
class CallPlan:
    """One decorated function, or one ``with model.prediction()``, of one model.

    Attributes:
        name: Name of the function, for messages.
        score: Selector of the score in the result; None if not given.
        predicted: Selector of the class or value in the result; None if not given.
        first_input: Description of the first call's input.
        first_result: Description of the first call's result.
        quick: True if ``fast_call.py`` can process a call. ``selective``: whether score or class are selected from the
            result. ``score_type``: float if a returned float is the score.
        by_class: True if the newest scores had one column per class. ``no_features``: the schema of a call without
            features; ``newest``: the schema of the last row. ``position``: position of the argument that is the row.
            ``initial_attributes``: attributes with which a span starts, because a sampler decides by them.
            ``may_lose_identity``: whether the span is checked for them at its end.
            ``last_tracer_check``: time in unix nanoseconds at which a request found that the tracer creates no spans.
        has_logged_reading: True after the log line that describes how the call is read.
        has_logged_unread: True after the warning about a result that cannot be read.
        has_logged_unknown_class: True after the warning about a class that the model does not have.
        joins: True if the call only completes an open prediction of any model, if there is one.
        has_late_task: True if spans start before the task is known.
        names: Names for the features of an input without names, if the caller knows them.
        fix: Returns the code that fixes an unreadable input or result, from the selectors; None if selectors cannot be
            set, as for an estimator.
        selects_paths: True if selectors are paths in JSON and cannot be functions.
        unread_parts: Values inside a result that could not be read, until the log line with the fix.
        has_vector_rows: True if a mapping of equally long lists of floats was one row, with a float as its result.
        unread_rows: Number of rows of its input, if the input can also be one row.
        has_batches: True if such an input had a result that only n rows fit; it then is n rows if they fit.
        has_unclear_rows: True if such an input was one row, although n rows also fit its result.
    """

    identity: Identity
    pipeline: EntrySink
    tracer: Tracer
    name: str
    inputs: Inputs
    score: Selector | None = None
    predicted: Selector | None = None
    span_features: bool = False
    first_input: UnreadResult | None = None
    first_result: UnreadResult | None = None
    quick: bool = False
    by_class: bool = False
    has_logged_reading: bool = False
    has_logged_unread: bool = False
    has_logged_unknown_class: bool = False
    joins: bool = False
    has_late_task: bool = False
    names: tuple[str, ...] | None = None
    fix: Callable[[str], str] | None = None
    selects_paths: bool = False
    unread_parts: tuple[ResultPart, ...] = ()
    unread_rows: int | None = None
    has_vector_rows: bool = False
    has_batches: bool = False
    has_unclear_rows: bool = False
    shapes: dict[tuple[str, ...], RowSchema] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.span_name = f"predict {self.identity.name}"
        self.selective = self.score is not None or self.predicted is not None
        self.position = self.inputs.position if self.inputs.plain else sys.maxsize
        self._features = None if self.identity.features is None else frozenset(self.identity.features)
        self._is_feature_by_name: dict[str, bool] = {}
        self.name_count = 0
        self.start_span = self.tracer.start_span
        task = self.identity.task
        single = (task.has_threshold or task.predicts_number) and not task.has_several_scores
        self.score_type = float if single else None
        self.copy_assigned = rankings.copy_ranking if task.ranks_items else result_copy.copy_separate
        self.keep = rankings.copy_ranking if task.ranks_items else result_copy.copy_result
        self.inputs = _permitted(self.inputs, self.identity)
        self.span_values = self.span_features and self.identity.capture == "features"
        record = self.identity.record_attributes()
        self.initial_attributes = {
            a.ML_OPERATION_NAME: "predict",
            **{name: record[name] for name in _IDENTITY if name in record},
        }
        self.no_features = self.newest = RowSchema((), None, self.is_feature, *self._span_attributes())
        self.may_lose_identity = True
        self.last_tracer_check = 0
        self._plan_by_task: dict[Task, CallPlan] = {}
        PLANS.add(self)

    def for_task(self, task: Task) -> CallPlan:
        """Return this plan with a task, for a model without a task that an estimator has provided."""
        plan = self._plan_by_task.get(task)
        if plan is None:
            plan = self._plan_by_task[task] = replace(
                self, identity=replace(self.identity, task=task), shapes={}, has_late_task=True
            )
        return plan

    def note_result(self, result: Any) -> None:
        """Describe the first result. Later calls can treat a returned float as the score without a check."""
        self.first_result = describe(result)
        self.quick = self.inputs.plain and not self.selective and not self.identity.task.ranks_items

    def is_feature(self, name: str) -> bool:
        """Return True if an input field is a feature: allowed by the model, and neither the id nor the time."""
        is_feature = self._is_feature_by_name.get(name)
        if is_feature is None:
            if len(self._is_feature_by_name) >= _MOST_KNOWN:
                self._is_feature_by_name.clear()
            is_feature = self._is_feature_by_name[name] = self._decide_feature(name)
        return is_feature

    def _decide_feature(self, name: str) -> bool:
        features = self._features
        inputs = self.inputs
        if name in (inputs.id_field, inputs.time_field) or not (features is None or name in features):
            return False
        return name in self.identity.text_features or self.identity.privacy.allows(name)

    def cuts(self, name: str) -> bool:
        """Return True if an input field can be a slice. Text features cannot."""
        return self.identity.privacy.allows(name) and name not in self.identity.text_features

    def _rides(self, name: str) -> bool:
        """Return True if a feature is put on spans. Text features and their descriptors are not."""
        return self.is_feature(name) and name not in self.identity.text_features

    def shape_of(self, names: tuple[str, ...]) -> RowSchema:
        """Return the schema of a row with these names, created once per tuple of names."""
        shape = self.shapes.get(names)
        if shape is None:
            self.name_count += len(names)
            if len(self.shapes) >= _MOST_SHAPES or self.name_count > _MOST_NAMES:
                self.shapes.clear()
                self.name_count = len(names)
            recorded, unrecorded = self._span_attributes()
            rides = self._rides if self.span_values else lambda _: False
            guard = self.identity.privacy.guard(names, self.inputs.time_field, self.identity.text_features)
            shape = self.shapes[names] = RowSchema(names, self.inputs.id_field, rides, recorded, unrecorded, guard)
        return shape

    def _span_attributes(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the attributes of a span whose row is in a record, and of a span whose row is not."""
        initial, record = self.initial_attributes, self.identity.record_attributes()
        late = {a.ML_MODEL_TASK: initial[a.ML_MODEL_TASK]} if self.has_late_task else {}
        result = {a.ML_PREDICTION_ID: "", self.identity.score_attribute: None, a.ML_PREDICTION_CLASS: ""}
        if self.identity.capture == "none":  # its rows are counted in distributions, independently of records
            silent = {**late, a.DRIFTLINE_PREDICTION_RECORDED: True, a.ML_PREDICTION_ID: ""}
            return silent, silent
        return (
            {**late, a.DRIFTLINE_PREDICTION_RECORDED: True, **result},
            {**initial, **record, a.DRIFTLINE_PREDICTION_RECORDED: False, **result},
        )

    def default_names(self, width: int) -> tuple[str, ...]:
        """Return names for an input without names: the known names if their number is ``width``, else f0, f1, ..."""
        for names in (self.names, self.identity.features):
            if names is not None and len(names) == width:
                return names
        return _remembered(width) if width <= _MOST_REMEMBERED else _numbered(width)


def _numbered(width: int) -> tuple[str, ...]:
    return tuple(f"f{i}" for i in range(width))


_remembered = lru_cache(maxsize=64)(_numbered)


PLANS: LiveObjects[CallPlan] = LiveObjects()


def _permitted(inputs: Inputs, identity: Identity) -> Inputs:
    """Return the inputs without an id or a time whose field has a privacy rule."""
    if withholds_id(identity, inputs.id_name):
        inputs = replace(inputs, id=None, id_field=None, id_name="")
    if inputs.time_name and identity.privacy.withholds(inputs.time_name):
        _tell_withheld(identity.name, "time", inputs.time_name, "the time of the call is used instead", "")
        inputs = replace(inputs, time=None, time_field=None, time_name="")
    return inputs


def withholds_id(identity: Identity, name: str) -> bool:
    """Return True if a privacy rule forbids a field as the id; log it once."""
    if not name or identity.privacy.hash_id or not identity.privacy.withholds(name):
        return False
    _tell_withheld(identity.name, "id", name, "ids are generated instead", ", or hash the ids with hash_id=True")
    return True


def _tell_withheld(model: str, role: str, name: str, instead: str, fix: str) -> None:
    if FAULTS.once(f"withheld {model} {role} {name}"):
        logger.warning(
            "driftline: %s reads its %s from %r, which has a privacy rule, so %s; use another field%s",
            model, role, name, instead, fix,
        )  # fmt: skip
