"""Outcomes of predictions: one at a time through the buffer, or many at once, confirmed by the receiver."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from time import sleep
from typing import TYPE_CHECKING, Any

from driftline.capture.model_identity import Identity
from driftline.capture.outcome import FIELDS, SLICE, UnusableOutcome, outcome_of
from driftline.capture.row_schema import ROW_BYTES
from driftline.export.resource import resource_attributes
from driftline.export.threads import call_within
from driftline.export.transport import Delivery, OutcomeChannel, foreign_answer, json_object, suppress_instrumentation
from driftline.inputs.column import values_of
from driftline.inputs.dataframes import column_names, index_hint
from driftline.loss_counters import UNUSABLE, UNUSABLE_OUTCOME
from driftline.semconv import attributes as a
from driftline.tables.classes import class_text
from driftline.tables.text import short_record

from .faults import FAULTS, logger

if TYPE_CHECKING:
    from driftline.export.pipeline import Pipeline


CHUNK_ROWS = 5000
ATTEMPTS = 5
REQUEST_SECONDS = 30.0
_now = time.time_ns
_MOST_CLASSES = 12
_CAUSE_WORDS = 3
"""Words of a reason that do not contain the type of a value: "its weight must", "it has no"."""


def record_outcome(identity: Identity, pipeline: Pipeline, classes: Callable[[], Sequence[str]], **fields: Any) -> None:
    """Buffer an outcome; count unusable ones, and log missing fields and unknown classes once each. Never raises.

    An outcome of an unknown class is sent anyway: the processor may have other classes, and counts the outcomes that it
    cannot use.

    Args:
        identity: Name, version and privacy rules of the model.
        pipeline: Buffer and background thread that receive the outcome.
        classes: Function that returns the declared classes; () if no classes are declared.
        **fields: Arguments of :func:`outcome_of`.
    """
    try:
        stranger = buffer_outcome(identity, pipeline, classes(), **fields)
        if stranger and FAULTS.once(f"stranger {identity.name}"):
            logger.warning(
                "driftline: an outcome of %s cannot be used: %s; it is sent anyway, because the processor may have "
                "other classes", identity.name, stranger,
            )  # fmt: skip
    except UnusableOutcome as reason:
        UNUSABLE.add(UNUSABLE_OUTCOME)
        field_and_rule = " ".join(str(reason).split()[:_CAUSE_WORDS])
        if FAULTS.once(f"outcome {identity.name} {field_and_rule}"):
            logger.warning("driftline: an outcome of %s was not recorded: %s", identity.name, reason)
    except Exception as error:
        FAULTS.swallow("outcome", error)


def buffer_outcome(
    identity: Identity,
    pipeline: Pipeline,
    classes: Sequence[str],
    *,
    refuse: bool = False,
    **fields: Any,
) -> str:
    """Buffer an outcome, and return the sentence about its unknown class.

    Args:
        identity: Name, version and privacy rules of the model.
        pipeline: Buffer and background thread that receive the outcome.
        classes: Declared classes; () accepts every class.
        refuse: Do not buffer an outcome of an unknown class.
        **fields: Arguments of :func:`outcome_of`.

    Returns:
        The sentence about a class that is not in ``classes``; "" for a class in it.

    Raises:
        UnusableOutcome: The outcome lacks its id, or both ``actual`` and ``retracted``.
    """
    outcome = outcome_of(identity, _now(), **fields)
    stranger = _unknown_class(classes, outcome.actual) if classes and outcome.actual is not None else ""
    if not (stranger and refuse):
        pipeline.append(outcome, ROW_BYTES, 1)
    return stranger


def _unknown_class(classes: Sequence[str], actual: object) -> str:
    """Return the sentence about an actual that is not one of the classes; "" for an actual that is."""
    if class_text(actual) in classes:
        return ""
    class_names = ", ".join(map(repr, classes[:_MOST_CLASSES]))
    more = len(classes) - _MOST_CLASSES
    return f"its actual is not one of the classes {class_names}{f' and {more} more' if more > 0 else ''}"


@dataclass(frozen=True, slots=True)
class Rejection:
    """Outcomes that the receiver rejected for one reason.

    Attributes:
        index: Position of the outcome among the sent outcomes. None if the receiver returns only the number of rejected
            outcomes.
        reason: Sentence that names the field and the rule.
        rows: Number of outcomes.
    """

    index: int | None
    reason: str
    rows: int = 1

    __repr__ = short_record


@dataclass(frozen=True, slots=True)
class UnknownOutcomes:
    """Accepted outcomes that the receiver cannot use at present.

    These outcomes count as soon as their prediction arrives, or as soon as the classes of the model contain their
    class.

    Attributes:
        kind: Why the receiver cannot use the outcomes. "id": no stored prediction has their id. "time": the outcomes
            are dated before their prediction. "actual": their actual value is not a class of the model, or not a
            number. "model": no prediction of the model has arrived, but another model has a similar name.
            "environment": the model has no predictions in their environment.
        rows: Number of outcomes.
        checked: Number of outcomes that were checked. If there are very many outcomes, the receiver checks only a part
            of them.
        reason: Text that names the unknown classes or the form of the unknown ids, what the receiver knows, and the
            fix.
    """

    kind: str
    rows: int
    checked: int
    reason: str

    __repr__ = short_record


@dataclass(frozen=True, slots=True)
class Accepted:
    """The receiver's answer to many outcomes.

    Attributes:
        accepted: Number of outcomes that the receiver has stored.
        rejected: All other outcomes, in their order, with their reasons.
        unknown: Accepted outcomes that the receiver cannot use at present.
    """

    accepted: int
    rejected: tuple[Rejection, ...] = ()
    unknown: tuple[UnknownOutcomes, ...] = ()

    __repr__ = short_record


class Undelivered(ConnectionError):  # noqa: N818 - the state of the outcomes, not of the program
    """Outcomes could not be delivered.

    Send all outcomes of the call again. Outcomes that had already arrived are not counted twice.

    Attributes:
        delivered: Receiver's answer to the outcomes that were delivered before the failure.
        refused: True if the receiver refused the request because of its content. The receiver would also refuse another
            attempt.
    """

    def __init__(self, message: str, sent: Accepted, *, refused: bool = False) -> None:
        super().__init__(message)
        self.delivered, self.refused = sent, refused


def fields_of(outcomes: Any) -> Iterator[dict[str, Any]]:
    """Yield the fields of each outcome, as arguments of :func:`~driftline.capture.outcome.outcome_of`.

    Args:
        outcomes: DataFrame, mapping of columns, or iterable of mappings or tuples. Tuples are (id, actual) and
            optionally the other ``FIELDS`` in order. Slices are columns or keys ``slice.NAME``, or a mapping under
            ``slices``.

    Raises:
        ValueError: The columns lack ``id``, or lack both ``actual`` and ``retracted``.

    >>> list(fields_of([("A-1", 1), {"id": 2.0, "actual": "late", "slice.group": "b"}]))
    [{'id': 'A-1', 'actual': 1}, {'id': 2.0, 'actual': 'late', 'slices': {'group': 'b'}}]
    """
    if hasattr(outcomes, "columns") or isinstance(outcomes, Mapping):
        names = list(outcomes) if isinstance(outcomes, Mapping) else list(column_names(outcomes))
        needed = ("id",) if "retracted" in names else ("id", "actual")
        missing = [name for name in needed if name not in names]
        if missing:
            hint = index_hint(outcomes, missing[0])
            raise ValueError(f"the outcomes have no column {missing[0]!r}; their columns are {names}{hint}")
        used = [name for name in names if name in FIELDS or str(name).startswith(SLICE)]
        columns = [values_of(outcomes[name]) for name in used]
        mappings: Iterable[Any] = (dict(zip(used, row, strict=True)) for row in zip(*columns, strict=True))
    else:
        mappings = outcomes
    for row in mappings:
        given = row if isinstance(row, Mapping) else dict(zip(FIELDS, row, strict=False))
        fields = {name: given[name] for name in FIELDS if name in given}
        slices = {name.removeprefix(SLICE): value for name, value in given.items() if str(name).startswith(SLICE)}
        inner = fields.get("slices")
        if inner is None or inner != inner:  # NaN in a frame
            inner = {}
        if slices or "slices" in fields:
            fields["slices"] = {**slices, **inner} if isinstance(inner, Mapping) else inner
        yield fields


def _usable(identity: Identity, outcomes: Any, rejected: list[Rejection]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield index and row of each usable outcome, and add the others to ``rejected``."""
    for index, fields in enumerate(fields_of(outcomes)):
        try:
            yield index, outcome_of(identity, 0, **fields).fields()
        except UnusableOutcome as reason:
            rejected.append(Rejection(index, str(reason)))


def send_outcomes(identity: Identity, outcomes: Any) -> Accepted:
    """Send outcomes to the endpoint of this process, and wait for the answers; see :func:`post_outcomes`.

    Args:
        identity: Name and privacy rules of the model.
        outcomes: Outcomes in any form that :func:`fields_of` accepts.

    Returns:
        The receiver's answer.

    Raises:
        Undelivered: The outcomes could not be delivered.
    """
    from driftline.export import pipeline as pipelines  # a pipeline knows what an outcome is

    target = pipelines.endpoint()
    channel = pipelines.confirming(target)
    environment = str(resource_attributes(identity).get(a.DEPLOYMENT_ENVIRONMENT_NAME, ""))
    try:
        return post_outcomes(channel, target.outcomes, identity, environment, outcomes)
    finally:
        channel.close()


def post_outcomes(
    channel: OutcomeChannel,
    url: str,
    identity: Identity,
    environment: str,
    outcomes: Any,
) -> Accepted:
    """Send outcomes to ``/v1/outcomes`` in chunks of 5,000 rows, and wait for the answers.

    Args:
        channel: Connection to the receiver.
        url: URL of ``/v1/outcomes``.
        identity: Name and privacy rules of the model.
        environment: Deployment environment; "" if unset.
        outcomes: Outcomes in any form that :func:`fields_of` accepts.

    Returns:
        The sum of all answers.

    Raises:
        Undelivered: The receiver refused a chunk, or did not accept it in five attempts.
    """
    accepted = 0
    rejected: list[Rejection] = []
    unknown: dict[str, UnknownOutcomes] = {}
    rows = _usable(identity, outcomes, rejected)
    while chunk := list(islice(rows, CHUNK_ROWS)):
        document: dict[str, Any] = {"model": identity.name, "outcomes": [row for _, row in chunk]}
        if environment:
            document["environment"] = environment
        body = json.dumps(document, allow_nan=False).encode()
        answer = deliver(channel, url, body, Accepted(accepted, tuple(rejected)))
        accepted += int(answer["accepted"])
        for rejection in answer["rejected"]:
            index = None if rejection.get("index") is None else chunk[int(rejection["index"])][0]
            rejected.append(Rejection(index, str(rejection["reason"]), int(rejection.get("rows", 1))))
        if answer.get("more_rejected"):
            rejected.append(Rejection(None, "further outcomes were rejected", int(answer["more_rejected"])))
        for part in answer.get("unknown", ()):
            kind, before = str(part["kind"]), unknown.get(str(part["kind"]), UnknownOutcomes("", 0, 0, ""))
            counts = before.rows + int(part["rows"]), before.checked + int(part["checked"])
            unknown[kind] = UnknownOutcomes(kind, *counts, before.reason or str(part["reason"]))
    rejected.sort(key=lambda rejection: (rejection.index is None, rejection.index))
    for outcomes_of_kind in unknown.values():
        if FAULTS.once(f"unknown {outcomes_of_kind.kind} {identity.name}"):
            logger.warning(
                "driftline: %s of %s outcomes of %s were accepted, but cannot be used yet: %s",
                outcomes_of_kind.rows, outcomes_of_kind.checked, identity.name, outcomes_of_kind.reason,
            )  # fmt: skip
    return Accepted(accepted, tuple(rejected), tuple(unknown.values()))


def deliver(
    channel: OutcomeChannel,
    url: str,
    body: bytes,
    so_far: Accepted,
    noun: str = "outcomes",
    fields: Collection[str] = ("accepted", "rejected"),
) -> dict[str, Any]:
    """Post a body of JSON in at most five attempts, and return the answer.

    Args:
        channel: Connection to the receiver.
        url: The URL.
        body: The JSON.
        so_far: Answer to the bodies before, for the error.
        noun: What the body contains, for the error.
        fields: Fields of the receiver's answer; an answer without them is from another server.

    Raises:
        Undelivered: The receiver refused the body, or did not accept it in five attempts.
    """

    def post() -> tuple[Delivery, bytes]:
        with suppress_instrumentation():
            return channel.post(url, body, "application/json", REQUEST_SECONDS)

    for attempt in range(ATTEMPTS):
        late = Delivery("retry", f"no answer in {REQUEST_SECONDS:g} s"), b""
        delivery, answer = call_within(REQUEST_SECONDS, "driftline-outcomes", post, late)
        if delivery.state == "delivered":
            document = json_object(answer) or {}
            if document.keys() >= set(fields):
                return document
            delivery = foreign_answer(answer)
        if delivery.fix and not delivery.may_pass:  # another attempt would fail in the same way
            reason = f"{delivery.reason}; " if delivery.denied else ""
            raise Undelivered(f"{url} did not accept the {noun}: {reason}{delivery.fix}; then send them again", so_far)
        if delivery.state in ("refused", "unsupported"):
            detail = answer[:500].decode("utf-8", "replace")
            reason = f"{url} refused the {noun}: {delivery.reason} {detail}".rstrip()
            raise Undelivered(reason, so_far, refused=delivery.state == "refused")
        if attempt < ATTEMPTS - 1:
            sleep(0.5 * 2**attempt if delivery.after is None else delivery.after)
    fix = delivery.fix or "start 'driftline up' or set DRIFTLINE_ENDPOINT"
    raise Undelivered(
        f"{url} did not accept the {noun} in {ATTEMPTS} attempts ({delivery.reason}); {so_far.accepted} were "
        f"accepted before; {fix}, and send the {noun} again",
        so_far,
    )
