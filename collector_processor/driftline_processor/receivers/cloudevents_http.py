"""Receive the requests and responses of models by ``POST /v1/cloudevents``, as KServe's logger and MLServer send them.

A call is two events with the same ``ce-id``: ``org.kubeflow.serving.inference.request`` and ``.response``. The first is
in memory until the other arrives; then the call becomes one prediction per row of the request. The route is on the port
of OTLP/HTTP.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import msgspec
from driftline.semconv import attributes, events, metrics
from driftline.tables.ids import id_text
from driftline.tables.task import Task, TaskKind
from driftline.tables.timestamps import instant
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from starlette.datastructures import Headers, QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded, may_send, principal_of
from driftline_processor.core.decode.requests import Malformed, TooManyMessages
from driftline_processor.core.decode.untrusted_json import list_items
from driftline_processor.health import Counters
from driftline_processor.memory_ceiling import JSON, MemoryCeiling
from driftline_processor.present.numbers import many
from driftline_processor.present.wording import short
from driftline_processor.readers.inference_payloads import (
    payload_rows,
    predictions_of_rows,
    row_prediction,
    row_values,
)
from driftline_processor.receipts import Overloaded
from driftline_processor.servers.http_body import UNREADABLE, Body, receive_body, refuse_body, retry_later
from driftline_processor.servers.request_memory import ceiling_of

from .receiver import Accept

PATH = "/v1/cloudevents"

UNPAIRED = "unpaired_event"
"""The reason under which rows are counted whose request or response did not arrive."""

MAX_LOGGED = 100
"""Maximum number of models whose unusable calls are logged."""

UNUSABLE_EVENT = "unusable_event"
"""The reason under which events are counted that cannot be read."""

MAX_EVENT = 16 * 2**20
"""Maximum bytes of an event."""

MAX_EVENTS = 100_000
"""Maximum number of events of a batch: in the largest batch, an event with its required attributes has more bytes."""

MAX_REJECTED = 1_000
"""Maximum number of rejected events that an answer lists."""

MAX_WAIT = 300.0
"""Seconds for which an event is kept until the other one arrives."""

MAX_WAITING, MAX_WAITING_BYTES = 10_000, 32 * 2**20
"""Maximum number of events that wait for the other one, and of the bytes that they were sent as."""

_TASKS = ("binary", "multiclass", "regression")
_INT64 = 2**63

_log = logging.getLogger("driftline")


class MalformedEvent(Exception):  # noqa: N818 - as Malformed
    """An event cannot be read; the message is a sentence for its sender."""


class Options(NamedTuple):
    """What the parameters of the address set.

    Attributes:
        model: Name of the model; default: that of the event.
        version: Version of the model; default: that of the response.
        environment: Environment of the model.
        task: Task of the model.
        features: Names of the values of a row without names.
    """

    model: str = ""
    version: str = ""
    environment: str = ""
    task: str = ""
    features: tuple[str, ...] = ()


class Half(NamedTuple):
    """One event: a request, or a response.

    Attributes:
        call: Identifies the call: the service, its namespace, the component and the id.
        id: ``ce-id``.
        model: Name of the model in the event, or "".
        version: Version of the model in the event, or "".
        response: True if it is the response.
        payload: JSON of rows of features, or of predictions. Rows as objects would need twenty times as much memory.
        rows: Number of its rows.
        time: Unix nanoseconds.
    """

    call: tuple[str, str, str, str]
    id: str
    model: str
    version: str
    response: bool
    payload: bytes
    rows: int
    time: int


class Pairs:
    """Events that wait for the other one of their call. Thread-safe."""

    def __init__(self, counters: Counters, seconds: Callable[[], float] = time.monotonic) -> None:
        self._counters, self._seconds = counters, seconds
        self._waiting = OrderedDict[tuple[Any, ...], tuple[float, Half]]()
        self._bytes = 0
        self._lock = threading.Lock()

    def join(self, half: Half, options: Options) -> tuple[Half, Half] | None:
        """Return request and response if the other one has arrived; otherwise keep this one."""
        now = self._seconds()
        with self._lock:
            unpaired = self._expired(now)
            key, pair = (half.call, options), None
            other = self._waiting.get(key)
            if other is not None:
                self._remove(key)
            if other is not None and other[1].response != half.response:
                pair = (other[1], half) if half.response else (half, other[1])
            else:  # the first event of its call, or the same one again
                self._add(key, now, half)
        if unpaired:
            self._counters.add(metrics.DRIFTLINE_REJECTED_ROWS, unpaired, {attributes.DRIFTLINE_REASON: UNPAIRED})
        return pair

    def keep(self, half: Half, options: Options) -> None:
        """Keep an event again, because the sender of the other one will send it again."""
        with self._lock:
            key = (half.call, options)
            if key not in self._waiting:
                self._add(key, self._seconds(), half)

    def _expired(self, now: float) -> int:
        """Remove what is too old or too much, and return its number of rows."""
        rows = 0
        while self._waiting:
            key, (since, half) = next(iter(self._waiting.items()))
            if now - since <= MAX_WAIT and len(self._waiting) < MAX_WAITING and self._bytes <= MAX_WAITING_BYTES:
                break
            rows += half.rows
            self._remove(key)
        return rows

    def _add(self, key: tuple[Any, ...], now: float, half: Half) -> None:
        self._waiting[key] = (now, half)
        self._bytes += len(half.payload)

    def _remove(self, key: tuple[Any, ...]) -> None:
        self._bytes -= len(self._waiting.pop(key)[1].payload)


class UnusableCalls:
    """Logs once per model why a complete call was not stored, because senders of events ignore the answer."""

    def __init__(self) -> None:
        self._models = set[str]()

    def note(self, model: str, reason: Exception) -> None:
        """Log the reason for a model, unless one was logged before; a sender can choose any number of names."""
        if model in self._models or len(self._models) >= MAX_LOGGED:
            return
        self._models.add(model)
        _log.warning(
            "driftline: a call of the model %s cannot be stored: %s; its rows count as %s in "
            "driftline_rejected_rows_total; further calls of this model are counted, but not logged",
            repr(short(model)) if model else "without a name",
            reason,
            UNUSABLE_EVENT,
        )


def routes(accept: Accept, counters: Counters, clock: Callable[[], int] = time.time_ns) -> list[BaseRoute]:
    """Return the route of CloudEvents.

    Args:
        accept: Called with an OTLP request of logs once per complete call.
        counters: Counters of rows whose other half did not arrive.
        clock: Unix nanoseconds, the time of events without one.
    """
    pairs, parsers = Pairs(counters), ThreadPoolExecutor(2, "driftline-cloudevents")
    calls = UnusableCalls()

    async def post_event(request: Request) -> Response:
        loop = asyncio.get_running_loop()
        sending = may_send(principal_of(request.scope), "logs")
        try:
            options = _options(request.query_params)
            body = await receive_body(request, MAX_EVENT)
            halves = await loop.run_in_executor(parsers, _halves, body, request.headers, clock())
            rows, rejected = 0, list[tuple[int, Exception, int]]()
            for place, half in enumerate(halves):
                if isinstance(half, MalformedEvent):
                    rejected.append((place, half, 1))
                    continue
                pair = pairs.join(half, options)
                if pair is None:
                    continue
                try:
                    logs = await loop.run_in_executor(parsers, partial(_logs, *pair, options, ceiling_of(body.scope)))
                    await asyncio.wrap_future(accept("logs", logs, {}, 0.0, sending))
                except (MalformedEvent, Malformed) as reason:
                    rejected.append((place, reason, pair[0].rows))
                    calls.note(options.model or pair[0].model or pair[1].model, reason)
                except Overloaded:
                    pairs.keep(pair[0] if half.response else pair[1], options)
                    raise
                else:
                    rows += pair[0].rows
        except UNREADABLE as reason:
            return refuse_body(reason)
        except MalformedEvent as reason:
            return _error(400, str(reason))
        except Overloaded as overloaded:
            return retry_later(overloaded)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception:
            _log.exception("an event could not be stored")
            return retry_later(Overloaded(), "the event could not be stored; see the log of driftline")
        if lost := sum(count for _, _, count in rejected):
            counters.add(metrics.DRIFTLINE_REJECTED_ROWS, lost, {attributes.DRIFTLINE_REASON: UNUSABLE_EVENT})
        if rejected and len(rejected) == len(halves):
            _, first, _ = rejected[0]
            return _error(413 if isinstance(first, TooManyMessages) else 400, str(first))
        return _answer(rows, rejected)

    return [
        Guarded(
            "/v1/cloudevents",
            post_event,
            may="ingest",
            methods=["POST"],
            by_model=True,
            parameters="model version environment task features",
        )
    ]


def _options(query: QueryParams) -> Options:
    task = query.get("task", "")
    if task and task not in _TASKS:
        raise MalformedEvent(f"task: '{task[:40]}' is not supported; use {', '.join(_TASKS)}")
    features = tuple(name.strip() for name in query.get("features", "").split(",") if name.strip())
    return Options(query.get("model", ""), query.get("version", ""), query.get("environment", ""), task, features)


def _halves(body: Body, headers: Headers, now: int) -> list[Half | MalformedEvent]:
    """Return the events of a body, of one in binary mode, or of one or more in structured mode, or why not."""
    data = body.unpacked()
    with ceiling_of(body.scope).working(JSON * len(data)):
        kind = headers.get("content-type", "").split(";")[0].strip().lower()
        if kind == "application/cloudevents-batch+json":
            with _readable():
                batch = list_items(data, MAX_EVENTS)
            return [_half_or_reason(partial(_structured, event, now)) for event in batch]
        if kind == "application/cloudevents+json":
            return [_half_or_reason(partial(_structured, data, now))]
        event = {name[3:]: value for name, value in headers.items() if name.startswith("ce-")}
        return [_half_or_reason(lambda: _half(event, data.decode(), now))]


@contextmanager
def _readable() -> Iterator[None]:
    """Raise MalformedEvent for what cannot be read in the block."""
    try:
        yield
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise MalformedEvent(f"the event cannot be read: {error}") from None


def _half_or_reason(read: Callable[[], Half]) -> Half | MalformedEvent:
    """Return an event, or why it cannot be read; the other events of its batch are stored."""
    try:
        with _readable():
            return read()
    except MalformedEvent as reason:
        return reason


def _structured(text: bytes, now: int) -> Half:
    event = msgspec.json.decode(text)
    if not isinstance(event, dict):
        raise MalformedEvent("the event is not a JSON object; send the attributes and 'data' of a CloudEvent")
    data = event.get("data")
    if "data_base64" in event:
        try:
            data = base64.b64decode(str(event["data_base64"]), validate=True).decode()
        except binascii.Error as error:
            raise ValueError(f"data_base64: {error}") from None
    payload = data if isinstance(data, str) else msgspec.json.encode(data).decode()
    attributes = {key: value for key, value in event.items() if isinstance(value, str)}
    return _half({**attributes, "id": id_text(event.get("id"))}, payload, now)


def _half(event: Mapping[str, str], payload: str, now: int) -> Half:
    """Return an event; ``event``: its attributes without ``ce-``."""
    kind = event.get("type", "")
    if not kind.endswith(("inference.request", "inference.response")):
        raise MalformedEvent(
            f"ce-type: '{kind[:80]}' is not supported; use org.kubeflow.serving.inference.request and .response"
        )
    if not event.get("id"):
        raise MalformedEvent("ce-id is missing; a request and its response need the same ce-id to be joined")
    rows = payload_rows(payload) if payload.lstrip().startswith(("{", "[")) else []
    if not rows:
        raise MalformedEvent("the payload has no rows; send instances, predictions, inputs or outputs in JSON")
    service, namespace = event.get("inferenceservicename", ""), event.get("namespace", "")
    model, version = event.get("modelid") or service, ""
    if payload.lstrip().startswith("{"):
        named, version = _names(payload)
        model = model or named
    call = (service, namespace, event.get("component", ""), event["id"])
    response = kind.endswith("response")
    time = _nanoseconds(event.get("time"), now)
    return Half(call, event["id"], model, version, response, payload.encode(), len(rows), time)


class _Named(msgspec.Struct):
    model_name: Any = ""
    model_version: Any = ""


def _names(payload: str) -> tuple[str, str]:
    """Return name and version of the model in a payload of V2, "" if they are not in it."""
    try:
        named = msgspec.json.decode(payload, type=_Named)
    except msgspec.MsgspecError:
        return "", ""
    return str(named.model_name or ""), str(named.model_version or "")


def _nanoseconds(text: str | None, now: int) -> int:
    """Return a time as unix nanoseconds; ``now`` if it is missing, cannot be read, or is before 1970."""
    try:
        nanoseconds = instant(text)
    except ValueError:
        return now
    return nanoseconds if nanoseconds > 0 else now


def _logs(request: Half, response: Half, options: Options, ceiling: MemoryCeiling) -> bytes:
    """Return the rows of a call as a request of logs, when there is memory for them."""
    needed = JSON * (len(request.payload) + len(response.payload))
    with ceiling.working(min(needed, ceiling.work)), _readable():
        return logs_request(request, response, options)


def logs_request(request: Half, response: Half, options: Options) -> bytes:
    """Return the rows of a call as an ``ExportLogsServiceRequest`` of predictions. Raises MalformedEvent."""
    model = options.model or request.model or response.model
    if not model:
        raise MalformedEvent(
            "the model is missing; add ?model=NAME to the URL, or send ce-inferenceservicename or ce-modelid"
        )
    shared: list[tuple[str, Any]] = [(attributes.ML_MODEL_NAME, model)]
    version = options.version or response.version or request.version
    shared += [(attributes.ML_MODEL_VERSION, version)] if version else []
    shared += [(attributes.ML_MODEL_TASK, options.task)] if options.task else []
    logs = ExportLogsServiceRequest()
    group = logs.resource_logs.add()
    group.resource.attributes.append(_key_value(attributes.SERVICE_NAME, request.call[0] or model))
    if options.environment:
        group.resource.attributes.append(_key_value(attributes.DEPLOYMENT_ENVIRONMENT_NAME, options.environment))
    scope = group.scope_logs.add()
    scope.scope.name = "driftline.cloudevents"
    rows = list(map(row_values, payload_rows(request.payload.decode())))
    answers = payload_rows(response.payload.decode())
    predictions = predictions_of_rows(answers, len(rows))
    if len(answers) == 1 and isinstance(answers[0], dict) and "error" in answers[0]:
        shared.append((attributes.ERROR_TYPE, "inference_error"))
        predictions = [None] * len(rows)
    if predictions is None:
        raise MalformedEvent(
            f"the response has {many(len(answers), 'prediction')}, but the request has {many(len(rows), 'row')}; send "
            "one prediction per row, in the order of the rows"
        )
    kind = Task(options.task).of_kind
    for place, (row, prediction) in enumerate(zip(rows, predictions, strict=True)):
        name = f"{request.id}.{place}" if len(rows) > 1 else request.id
        pairs = [*shared, (attributes.ML_PREDICTION_ID, name), *_predicted(row_prediction(prediction), kind)]
        pairs += ((f"{attributes.DRIFTLINE_FEATURE_VALUE}.{key}", value) for key, value in _features(row, options))
        scope.log_records.add(
            event_name=events.ML_PREDICTION,
            time_unix_nano=request.time,
            attributes=[_key_value(key, value) for key, value in pairs if value is not None],
        )
    return bytes(logs.SerializeToString())


def _predicted(prediction: dict[str, Any], kind: TaskKind) -> Iterator[tuple[str, Any]]:
    """Yield the class and the score, or the value, of a prediction. Whole numbers alone are classes."""
    label, scores = prediction.get("predicted"), [float(score) for score in prediction.get("scores") or ()]
    if kind.predicts_number:
        value = scores[0] if scores else label
        yield attributes.ML_PREDICTION_VALUE, float(value) if isinstance(value, int | float) else None
        return
    if label is None and len(scores) == 1 and all(isinstance(score, int) for score in prediction["scores"]):
        label, scores = prediction["scores"][0], []
    if label is not None:
        yield attributes.ML_PREDICTION_CLASS, str(label).lower() if isinstance(label, bool) else str(label)
    if len(scores) > 2 or (scores and kind.has_class_scores):
        yield attributes.DRIFTLINE_PREDICTION_SCORES, scores
    elif scores:
        yield attributes.ML_PREDICTION_SCORE, scores[-1]


def _features(row: Any, options: Options) -> Iterator[tuple[str, Any]]:
    """Yield the names and values of a row: of an object its own, of a list those of the options or its places."""
    if not isinstance(row, dict):
        values: Sequence[Any] = row if isinstance(row, list) else [row]
        if options.features and len(options.features) != len(values):
            raise MalformedEvent(
                f"features: {len(options.features)} names, but a row has {len(values)} values; "
                "name each value of a row, in their order"
            )
        names = options.features or [f"value_{place}" for place in range(len(values))]
        row = dict(zip(names, values, strict=True))
    yield from row.items()


def _key_value(key: str, value: Any) -> KeyValue:
    return KeyValue(key=key.encode("utf-8", "replace").decode(), value=_any_value(value))


def _any_value(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int) and -_INT64 <= value < _INT64:
        return AnyValue(int_value=value)
    if isinstance(value, int | float):
        return AnyValue(double_value=_float(value))
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[_any_value(item) for item in value]))
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return AnyValue(string_value=text.encode("utf-8", "replace").decode())


def _float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _answer(rows: int, rejected: Sequence[tuple[int, Exception, int]]) -> Response:
    answer: dict[str, object] = {"rows": rows}
    if rejected:
        answer["rejected"] = [{"index": place, "reason": str(reason)} for place, reason, _ in rejected[:MAX_REJECTED]]
    if len(rejected) > MAX_REJECTED:
        answer["more_rejected"] = len(rejected) - MAX_REJECTED
    return JSONResponse(answer, 200 if rows or rejected else 202)


def _error(status: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status_code=status)
