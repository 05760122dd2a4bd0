"""The plan of a call: all that is worked out once, at decoration, so that no call needs to.

The living pipelines and call plans of a process, and listeners for new ones.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from driftline.faults import FAULTS, logger
from driftline.outputs import rankings, result_copy
from driftline.outputs.output import Unread, describe
from driftline.semconv import attributes as a

from .row_schema import RowSchema
from .signature import Inputs, Selector

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from driftline.tables.task import Task

    from .model_identity import Identity


T = TypeVar("T")


class LiveObjects(Generic[T]):
    """Objects that live for as long as somebody else needs them.

    ``listeners``: called with each one that is made from now on.
    """

    def __init__(self) -> None:
        self._objects: weakref.WeakSet[T] = weakref.WeakSet()
        self.listeners: list[Callable[[T], object]] = []

    def add(self, target: T) -> None:
        """Remember one."""
        self._objects.add(target)
        for listener in self.listeners:
            listener(target)

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._objects))


_MOST_NAMES = 200_000
_MOST_KNOWN = 10_000
_MOST_SHAPES = 1000
"""Names that change with every call are values in disguise; remembering them would be a leak."""
_MOST_REMEMBERED = 1000


class EntrySink(Protocol):
    """Takes what calls record: the pipeline of the model.

    Attributes:
        recording: True where entries reach a record; spans say so in ``driftline.prediction.recorded``.
    """

    recording: bool

    def append(self, entry: Any, cost: int, rows: int, /) -> bool:
        """Take an entry of about ``cost`` bytes and as many rows; False where the sink is closed."""


@dataclass(eq=False)
class CallPlan:
    """One decorated function, or one ``with model.prediction()``, of one model.

    Attributes:
        name: Of the function, for people.
        score: Selectors of the result, if any.
        predicted: Selectors of the result, if any.
        first_input: What the first call was given and returned, in words.
        first_result: What the first call was given and returned, in words.
        quick: True where ``fast_call.py`` may take a call. ``selective``: whether score or class are selected from the
            result. ``score_type``: float where a returned one is the score.
        by_class: True where scores came as one column per class. ``no_features``: the shape of a call that has none;
            ``newest``: that of the last row. ``position``: of the argument that is the row, where there is one.
            ``last_tracer_check``: when a request found that the tracer makes no span at all, unix nanoseconds.
        has_logged_reading: True where the log has told how that was read, and of a class that the model does not have.
        has_logged_unread: As ``has_logged_reading``.
        has_logged_unknown_class: As ``has_logged_reading``.
        joins: True where it only fills in an open prediction of any model, where there is one.
        names: Of the features of an input that names none, where the one who predicts knows them.
        fix: What to write where a result cannot be read, given the selectors; None for a decorator.
    """

    identity: Identity
    pipeline: EntrySink
    tracer: Tracer
    name: str
    inputs: Inputs
    score: Selector | None = None
    predicted: Selector | None = None
    span_features: bool = True
    first_input: Unread | None = None
    first_result: Unread | None = None
    quick: bool = False
    by_class: bool = False
    has_logged_reading: bool = False
    has_logged_unread: bool = False
    has_logged_unknown_class: bool = False
    joins: bool = False
    names: tuple[str, ...] | None = None
    fix: Callable[[str], str] | None = None
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
        self.no_features = self.newest = RowSchema((), "", self.is_feature, *self._span_attributes())
        self.last_tracer_check = 0
        self._plan_by_task: dict[Task, CallPlan] = {}
        PLANS.add(self)

    def for_task(self, task: Task) -> CallPlan:
        """Return this plan for a model that was told no task and has learned it from what predicts."""
        plan = self._plan_by_task.get(task)
        if plan is None:
            plan = self._plan_by_task[task] = replace(self, identity=replace(self.identity, task=task), shapes={})
        return plan

    def note_result(self, result: Any) -> None:
        """Remember what the first call returned. From then on a returned float may be the score without a look."""
        self.first_result = describe(result)
        self.quick = self.inputs.plain and not self.selective and not self.identity.task.ranks_items

    def is_feature(self, name: str) -> bool:
        """Return True where an input field of that name is a feature: allowed by the model, and neither id nor time."""
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
        """Return True where an input field may be a slice: no document is."""
        return self.identity.privacy.allows(name) and name not in self.identity.text_features

    def _rides(self, name: str) -> bool:
        """Return True where a feature goes on spans: no text does, and neither do its descriptors."""
        return self.is_feature(name) and name not in self.identity.text_features

    def shape_of(self, names: tuple[str, ...]) -> RowSchema:
        """Return the shape of a row with those names; made once per set of names."""
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
        """Return what every span says; what only an analysis of spans needs, where the row is in no record."""
        record = self.identity.record_attributes()
        names = (a.ML_MODEL_NAME, a.ML_MODEL_VERSION, a.ML_MODEL_TASK)
        first = {a.ML_OPERATION_NAME: "predict"}
        result = {a.ML_PREDICTION_ID: "", self.identity.score_attribute: None, a.ML_PREDICTION_CLASS: ""}
        brief = {name: record[name] for name in names if name in record}
        if self.identity.capture == "none":  # its rows are counted in distributions, whatever becomes of records
            silent = {**first, **brief, a.DRIFTLINE_PREDICTION_RECORDED: True, a.ML_PREDICTION_ID: ""}
            return silent, silent
        return (
            {**first, **brief, a.DRIFTLINE_PREDICTION_RECORDED: True, **result},
            {**first, **record, a.DRIFTLINE_PREDICTION_RECORDED: False, **result},
        )

    def default_names(self, width: int) -> tuple[str, ...]:
        """Return names for an input without any: those that are known, if they are as many, else f0, f1, ..."""
        for names in (self.names, self.identity.features):
            if names is not None and len(names) == width:
                return names
        return _remembered(width) if width <= _MOST_REMEMBERED else _numbered(width)


def _numbered(width: int) -> tuple[str, ...]:
    return tuple(f"f{i}" for i in range(width))


_remembered = lru_cache(maxsize=64)(_numbered)


PLANS: LiveObjects[CallPlan] = LiveObjects()


def _permitted(inputs: Inputs, identity: Identity) -> Inputs:
    """Return the inputs without an id or a time that comes from a field which the privacy rules are about."""
    if withholds_id(identity, inputs.id_name):
        inputs = replace(inputs, id=None, id_field="", id_name="")
    if inputs.time_name and identity.privacy.withholds(inputs.time_name):
        _tell_withheld(identity.name, "time", inputs.time_name, "the time of the call is used instead", "")
        inputs = replace(inputs, time=None, time_field="", time_name="")
    return inputs


def withholds_id(identity: Identity, name: str) -> bool:
    """Return True where a value of that name may be no id, since a privacy rule is about it; if so, tell once."""
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
