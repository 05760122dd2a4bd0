"""The plan by which requests and responses of one route are read for one model.

The plan is created once, so a request costs a few lookups. JSON bodies are parsed on the background thread, which is
half of the cost of a recorded request.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from driftline.capture.absent import ABSENT
from driftline.capture.call_plan import withholds_id
from driftline.capture.prediction import Prediction
from driftline.capture.row_schema import ROW_BYTES
from driftline.capture.snapshot import is_plain_class, take_row
from driftline.faults import FAULTS
from driftline.integration.recorder import Recorder
from driftline.loss_counters import UNRECORDED
from driftline.outputs.output import UnreadResult, describe
from driftline.tables.classes import class_text
from driftline.tables.ids import id_text

from .routes import (
    FIELDS,
    MissingValue,
    RequestParts,
    Route,
    Source,
    feature_sources,
    follow_path,
    parse_method_and_path,
    parse_route,
    parse_source,
    read_source,
    response_selector,
)

if TYPE_CHECKING:
    from driftline import Model
    from driftline.capture.deferred import Plain


_fast_parse: Callable[[bytes], Any] = json.loads
try:
    from pydantic_core import from_json
except ImportError:
    pass
else:
    _fast_parse = from_json
    """FastAPI brings it. It takes 1.6 µs for a request of 20 fields and its response, Python's own parser 7.5."""


def parse_json(body: bytes) -> Any:
    """Return the value of a JSON body, as ``json.loads`` reads it. Raises the same errors.

    >>> parse_json(b'{"probability": 0.25}')
    {'probability': 0.25}
    """
    if _fast_parse is not json.loads:
        try:
            return _fast_parse(body)
        except Exception:  # it refuses some JSON that Python accepts: UTF-16, lone surrogates, 500 levels
            pass
    return json.loads(body)


Request = bytes | tuple[RequestParts, bytes | None] | None
"""A buffered request: its body, None if it is not read, and its other parts."""
UNREAD = UnreadResult("a response that cannot be read: it is not JSON, too large or incomplete")
_EMPTY = UnreadResult("a response without a body")
_NO_JSON = UnreadResult("a response that is not JSON")


class RoutePlan:
    """One route of one model: how its requests and responses are read, computed once.

    ``plan``: call plan of its predictions. ``reads_more``: whether anything besides the body is read.
    ``named_at_once``: whether the response has a generated id. ``digits``: a Content-Length with fewer digits is below
    the limit. ``refused``: called for a 404 at the route.
    """

    def __init__(self, model: Model, text: str, declared: Route | Mapping[str, Any], scope: str) -> None:
        key = f"routes.{text!r}"
        route = parse_route(declared, key)
        self.model = model
        self.method, self.path = parse_method_and_path(text, key)
        self.limit = route.limit
        self.features = tuple(parse_source(text, "features", f"{key}.features") for text in feature_sources(route))
        id_source = parse_source(route.id, "id", f"{key}.id") if route.id else None
        self.id = id_source if id_source is not None and id_source.kind else None
        if (
            self.id is not None
            and self.id.kind in FIELDS
            and self.id.parts
            and withholds_id(model._identity, self.id.parts[-1])
        ):
            self.id = None
        self.id_from_response = self.id is not None and self.id.kind == "response"
        self.is_early = bool(route.id) and not self.id_from_response
        """True if the request is read before its response, which contains the request's id."""
        self.slices = tuple(
            (name, parse_source(text, "slices", f"{key}.slices.{name}")) for name, text in route.slices.items()
        )
        self.headers = tuple(source.parts[0] for source in self._sources() if source.kind == "header")
        self.reads_baggage = any(source.kind == "baggage" for source in self._sources())
        self.reads_body = any(source.kind == "body" for source in self._sources())
        self.reads_more = any(source.kind not in ("", "body", "response") for source in self._sources())
        self.named_at_once = not self.is_early and not self.id_from_response
        self.digits = len(str(self.limit))
        score = parse_source(route.score, "score", f"{key}.score") if route.score else None
        predicted = parse_source(route.predicted, "predicted", f"{key}.predicted") if route.predicted else None
        self.refused: Callable[[], None] | None = None
        self.selects = tuple(
            select for select in (response_selector(score), response_selector(predicted)) if select is not None
        )
        self.recorder = Recorder(
            model,
            f"{self.method} {self.path}",
            id_field=route.id if id_source is not None and not id_source.kind else "",
            time_field=route.time,
            score=response_selector(score),
            predicted=response_selector(predicted),
            span_features=route.span_features,
            scope=scope,
            fix=lambda selectors: f'routes={{"{self.method} {self.path}": Route({selectors})}}',
            selects_paths=True,
        )
        self.plan = self.recorder.plan
        self._source_parts = tuple(None if source is None else source.parts for source in (score, predicted))
        self._in_body = self.features == (Source("body", ()),) and self.id is None  # the row, and its id
        self._plain = self._in_body and not self.reads_more and not self.slices

    def replaces(self, other: RoutePlan) -> bool:
        """Return True if another plan of the same path is for the same model; each model of a path is recorded."""
        return self.method == other.method and self.model._identity.is_model_of(other.model._identity)

    def go_without(self, reason: str) -> None:
        """Count a prediction that is recorded without its features, or its result, by the reason."""
        UNRECORDED.add((self.model.name, reason))

    def _sources(self) -> Iterable[Source]:
        yield from self.features
        yield from (source for _, source in self.slices)
        if self.id is not None:
            yield self.id

    def plain(self, request: Request, response: bytes) -> Plain | None:
        """Read the most common form: one object as request, a number and possibly a class as response; else None."""
        if not self._plain or not isinstance(request, bytes):
            return None
        features = take_row(self.plan, parse_json(request))
        if features is None:
            return None
        answer, (score_at, class_at) = parse_json(response), self._source_parts
        try:
            score = answer if score_at is None else _value_at(answer, score_at)
            decided = None if class_at is None else _value_at(answer, class_at)
        except (LookupError, TypeError):
            return None
        if score.__class__ is not self.plan.score_type:
            return None
        if class_at is None:
            return *features, score, ""
        return (*features, score, class_text(decided)) if is_plain_class(self.plan, decided) else None

    def defer(self, prediction: Prediction, request: Request, response: bytes) -> RequestContents:
        """Return the reader of any other request and response."""
        parts, body = request if isinstance(request, tuple) else (None, request)
        contents = RequestContents(self, prediction, parts)
        contents.body, contents.response = body, response
        return contents

    def id_in(self, body: bytes | None) -> str | None:
        """Return the id in a field of the body, "" for none; None if it requires the general reader."""
        name = self.plan.inputs.id_field
        if not self._in_body or not name or body is None:
            return None
        try:
            row = parse_json(body)
            return id_text(row.get(name)) if row.__class__ is dict else None
        except Exception:  # not JSON
            return None

    def read_features(self, request_parts: RequestParts) -> Any:
        """Return one row or a batch; for several sources, their merged row."""
        if len(self.features) == 1:
            return _as_row(self.features[0], read_source(self.features[0], request_parts))
        row: dict[str, Any] = {}
        for source in self.features:
            part = _as_row(source, read_source(source, request_parts))
            if not isinstance(part, Mapping):
                raise MissingValue(
                    f"{describe(part).text} is not a mapping, so it cannot be combined with the other features", ()
                )
            row.update(part)
        return row

    def read_slices(self, request_parts: RequestParts, features: Any) -> dict[str, Any] | None:
        """Return the requested slices that exist; for a batch, one value per row if rows have them."""
        slices: dict[str, Any] = {}
        for name, source in self.slices:
            try:
                if source.kind:
                    value = read_source(source, request_parts)
                elif isinstance(features, list):
                    value = [row.get(source.parts[0]) if isinstance(row, Mapping) else None for row in features]
                else:
                    value = follow_path(features, source.parts)
            except MissingValue:
                continue
            if value is not None and source.kind in FIELDS and source.parts and source.parts[-1] != name:
                value = self.model._identity.privacy.slices({source.parts[-1]: value}).get(source.parts[-1])
            if value is not None:
                slices[name] = value
        return slices or None

    def read_id(self, request_parts: RequestParts) -> Any:
        """Return the id of the request outside its features; ``ABSENT`` for none."""
        if self.id is None or self.id_from_response:
            return ABSENT
        try:
            return read_source(self.id, request_parts, lambda text: text)
        except MissingValue:
            return ABSENT


class RequestContents:
    """The contents of a request to a route and of its response, for one prediction; each is read once.

    ``body``: body of the request, None if it is not read. ``response``: its bytes, its parsed JSON, or an ``Unread``.
    ``cost``: approximate size of both in bytes until they are read.
    """

    __slots__ = ("_is_read", "body", "cost", "prediction", "request_parts", "response", "route")

    def __init__(self, route: RoutePlan, prediction: Prediction, request_parts: RequestParts | None) -> None:
        self.route = route
        self.prediction = prediction
        self.request_parts = request_parts or RequestParts(lambda _: "", {}, b"")
        self.body: bytes | None = None
        self.response: Any = UNREAD
        self.cost = ROW_BYTES
        self._is_read = False

    def read_request(self) -> None:
        """Set features, id and slices of the prediction from the request."""
        if self._is_read:
            return
        self._is_read = True
        route, parts, body = self.route, self.request_parts, self.body
        self.body = None
        if body is not None:
            try:
                parts.body = parse_json(body)
            except Exception:  # not JSON, nested too deep, or invalid encoding
                route.go_without("request_not_json")
                return
        try:
            features: Any = None
            if body is not None or not route.reads_body:  # the reason is counted
                try:
                    features = route.read_features(parts)
                except MissingValue:
                    route.go_without("features_not_found")
            slices = route.read_slices(parts, features) if route.slices else None
            route.recorder.add(self.prediction, features=features, id=route.read_id(parts), slices=slices)
        except Exception as fault:
            FAULTS.swallow("request", fault)

    def read(self) -> Any:
        """Read the remaining parts, and return the parsed response, or an ``Unread``."""
        self.read_request()
        response, route = self.response, self.route
        if response.__class__ is bytes:
            response = _parse_response(response)
        if route.id_from_response and route.id is not None and response.__class__ is not UnreadResult:
            try:
                route.recorder.add(self.prediction, id=follow_path(response, route.id.parts))
            except MissingValue:
                route.go_without("id_not_found")
        return response


def _parse_response(body: bytes) -> Any:
    if not body:
        return _EMPTY
    try:
        return parse_json(body)
    except Exception:
        return _NO_JSON


def _value_at(document: Any, parts: tuple[str, ...]) -> Any:
    """Return the value at the end of a path through objects; raises if the path does not exist."""
    for part in parts:
        document = document[part]
    return document


def _as_row(source: Source, value: Any) -> Any:
    """Return a single parameter as a row of one."""
    return {source.parts[-1]: value} if source.kind != "body" and source.parts else value


def plan_routes(model: Model, routes: Mapping[str, Route | Mapping[str, Any]], scope: str) -> list[RoutePlan]:
    """Read the routes of a model. Raises ``ValueError``, with the key, the rule and the fix, for an invalid route.

    ``scope``: instrumentation scope of their spans.
    """
    if routes and not model._identity.task.kind:
        raise ValueError(
            f"routes: driftline.Model({model.name!r}) has no task; "
            "use task='binary', 'multiclass', 'regression' or 'ranking', or pass a baseline"
        )
    return [RoutePlan(model, text, declared, scope) for text, declared in routes.items()]
