"""Outcomes of predictions: one at a time through the buffer, or many at once, confirmed by the receiver."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import sleep
from typing import TYPE_CHECKING, Any

from driftline.capture.model_identity import Identity
from driftline.capture.outcome import FIELDS, SCALARS, SLICE, UnusableOutcome, outcome_of, protect_slices
from driftline.capture.row_schema import ROW_BYTES
from driftline.export.resource import resource_attributes
from driftline.export.transport import OutcomeChannel, suppress_instrumentation
from driftline.inputs.dataframes import column_names
from driftline.inputs.row import clean_value
from driftline.outputs.output import describe
from driftline.outputs.rankings import relevant_text
from driftline.semconv import attributes as a
from driftline.tables.classes import class_text
from driftline.tables.ids import id_text
from driftline.tables.timestamps import instant

from .faults import FAULTS, logger

if TYPE_CHECKING:
    from driftline.export.pipeline import Pipeline


CHUNK_ROWS = 5000
ATTEMPTS = 5
_now = time.time_ns
_MOST_CLASSES = 12


def record_outcome(identity: Identity, pipeline: Pipeline, classes: Callable[[], Sequence[str]], **fields: Any) -> None:
    """Buffer an outcome; log missing fields and unknown classes. Never raises.

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
        if FAULTS.once(f"outcome {identity.name}"):
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
        index: Position of the outcome among those sent; None if the receiver returns only the number.
        reason: Sentence with the field and the rule.
        rows: Number of outcomes.
    """

    index: int | None
    reason: str
    rows: int = 1


@dataclass(frozen=True, slots=True)
class Accepted:
    """The receiver's answer to many outcomes.

    Attributes:
        accepted: Number of outcomes that the receiver has stored.
        rejected: All other outcomes, with their reasons.
    """

    accepted: int
    rejected: tuple[Rejection, ...] = ()


class Undelivered(ConnectionError):  # noqa: N818 - the state of the outcomes, not of the program
    """Outcomes could not be delivered. Send all of them again: outcomes that had arrived are not counted twice.

    Attributes:
        sent: Answer to the outcomes that were delivered before.
    """

    def __init__(self, message: str, sent: Accepted) -> None:
        super().__init__(message)
        self.sent = sent


def rows_of(
    outcomes: Any,
    hash_id: Callable[[str], str] | None = None,
    protect: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
) -> Iterator[dict[str, Any]]:
    """Yield outcomes as rows of JSON.

    Args:
        outcomes: DataFrame, mapping of columns, or iterable of mappings or tuples. Tuples are (id, actual) and
            optionally the other ``FIELDS`` in order. Slices are columns or keys ``slice.NAME``, or a mapping under
            ``slices``.
        hash_id: Function that hashes an id under the privacy rules; None if ids are exported unchanged.
        protect: Function that applies the privacy rules to slices.

    Yields:
        The row of each outcome, in the format of ``POST /v1/outcomes``.

    Raises:
        ValueError: The columns lack ``id``, or lack both ``actual`` and ``retracted``.

    >>> list(rows_of([("A-1", 1), {"id": 2.0, "actual": "late", "weight": 3.0, "slice.group": "b"}]))
    [{'id': 'A-1', 'actual': 1}, {'id': '2', 'actual': 'late', 'weight': 3.0, 'slices': {'group': 'b'}}]
    """
    if hasattr(outcomes, "columns") or isinstance(outcomes, Mapping):
        names = list(outcomes) if isinstance(outcomes, Mapping) else list(column_names(outcomes))
        needed = ("id",) if "retracted" in names else ("id", "actual")
        missing = [name for name in needed if name not in names]
        if missing:
            raise ValueError(f"the outcomes have no column {missing[0]!r}; their columns are {names}")
        used = [name for name in names if name in FIELDS or str(name).startswith(SLICE)]
        columns = [_listed(outcomes[name]) for name in used]
        mappings: Iterable[Any] = (dict(zip(used, row, strict=True)) for row in zip(*columns, strict=True))
    else:
        mappings = outcomes
    for row in mappings:
        yield _row(row if isinstance(row, Mapping) else dict(zip(FIELDS, row, strict=False)), hash_id, protect)


def _listed(values: Any) -> Any:
    """Return the values of an Arrow array as Python values; any other values unchanged."""
    return values.to_pylist() if hasattr(values, "to_pylist") else values


def _row(
    given: Mapping[str, Any],
    hash_id: Callable[[str], str] | None,
    protect: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the row of one outcome. A bad value is left in: the receiver reports it and accepts the other rows."""
    actual, text = _listed_truth(given.get("actual"), hash_id), id_text(given.get("id"))
    text = hash_id(text) if text and hash_id is not None else text
    row: dict[str, Any] = {"id": text, "actual": None if actual != actual else actual}
    for name in ("time", "prediction_time"):
        value = given.get(name)
        try:
            when: object = instant(value)
        except (TypeError, ValueError):
            when = str(value)
        if when:
            row[name] = when
    for name in ("weight", "value", "retracted"):
        value = clean_value(given.get(name))
        if value is not None and value == value:
            row[name] = value
    if item := id_text(given.get("item")):
        row["item"] = item if hash_id is None else hash_id(item)
    slices = {name.removeprefix(SLICE): value for name, value in given.items() if str(name).startswith(SLICE)}
    inner = given.get("slices")
    if isinstance(inner, Mapping):
        slices |= inner
    elif inner is not None and inner == inner:
        row["slices"] = describe(inner).text  # no value may leave unprotected, and the receiver refuses a text
    if slices and (kept_slices := protect_slices(protect, slices)):
        row.setdefault("slices", kept_slices)
    return row


def _listed_truth(actual: object, hash_id: Callable[[str], str] | None) -> Any:
    if isinstance(actual, SCALARS):
        return clean_value(actual)
    try:
        relevant = relevant_text(actual, hash_id)
    except ValueError:
        return describe(actual).text  # neither a class nor a number: the receiver refuses it
    return clean_value(actual) if relevant is None else relevant


def send_outcomes(identity: Identity, outcomes: Any) -> Accepted:
    """Send outcomes to the endpoint of this process, and wait for the answers; see :func:`post_outcomes`.

    Args:
        identity: Name and privacy rules of the model.
        outcomes: Outcomes in any form that :func:`rows_of` accepts.

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
        outcomes: Outcomes in any form that :func:`rows_of` accepts.

    Returns:
        The sum of all answers.

    Raises:
        Undelivered: The receiver refused a chunk, or did not accept it in five attempts.
    """
    accepted, start = 0, 0
    rejected: list[Rejection] = []
    for chunk in _chunks(rows_of(outcomes, identity.hash_id, identity.privacy.slices)):
        document: dict[str, Any] = {"model": identity.name, "outcomes": chunk}
        if environment:
            document["environment"] = environment
        body = json.dumps(document, allow_nan=False).encode()
        answer = _deliver(channel, url, body, Accepted(accepted, tuple(rejected)))
        accepted += int(answer["accepted"])
        for rejection in answer["rejected"]:
            index = None if rejection.get("index") is None else start + int(rejection["index"])
            rejected.append(Rejection(index, str(rejection["reason"]), int(rejection.get("rows", 1))))
        if answer.get("more_rejected"):
            rejected.append(Rejection(None, "further outcomes were rejected", int(answer["more_rejected"])))
        start += len(chunk)
    return Accepted(accepted, tuple(rejected))


def _deliver(channel: OutcomeChannel, url: str, body: bytes, so_far: Accepted) -> dict[str, Any]:
    for attempt in range(ATTEMPTS):
        with suppress_instrumentation():
            delivery, answer = channel.post(url, body, "application/json", 30.0)
        if delivery.state == "delivered":
            return dict(json.loads(answer))
        if delivery.state in ("refused", "unsupported"):
            detail = answer[:500].decode("utf-8", "replace")
            raise Undelivered(f"{url} refused the outcomes: {delivery.reason} {detail}".rstrip(), so_far)
        if attempt < ATTEMPTS - 1:
            sleep(0.5 * 2**attempt if delivery.after is None else delivery.after)
    raise Undelivered(
        f"{url} did not accept the outcomes in {ATTEMPTS} attempts ({delivery.reason}); {so_far.accepted} were "
        "accepted before; start 'driftline up' or set DRIFTLINE_ENDPOINT, and send the outcomes again",
        so_far,
    )


def _chunks(rows: Iterator[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == CHUNK_ROWS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
