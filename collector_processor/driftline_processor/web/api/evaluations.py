"""``/api/v1``: models, current and past evaluations, evaluations in other formats, and the outcomes of an id.

The responses are described in docs/reference/http-api.md and docs/reference/evaluations.schema.json. Errors are
``{"error": "a sentence"}``. An unknown value is ``null``, never 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, cast
from urllib.parse import urlencode

from driftline.tables.ids import id_text
from msgspec import Struct, to_builtins
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded, principal_of
from driftline_processor.core.estimate.track_record import with_track_records
from driftline_processor.core.evaluation import (
    Evaluation,
    MetricValue,
    State,
    Verdict,
    VerdictState,
    newest_closed,
)
from driftline_processor.core.pane_source import PaneSource
from driftline_processor.core.policy.firing import with_alert
from driftline_processor.core.verdict.record import Effect, Record, RowFinding
from driftline_processor.evaluation.formats import windows_in
from driftline_processor.ingest.completeness import Balance
from driftline_processor.present.evaluation_json import INCIDENT, SHAPES, json_of, to_json
from driftline_processor.present.json_shapes import Key, computed, group, or_null, time_at, time_of, time_or_null
from driftline_processor.present.names import handle
from driftline_processor.present.numbers import finite
from driftline_processor.present.sections import sections_of_windows
from driftline_processor.present.sections.section import TOP, ModelSections
from driftline_processor.present.sentences import clause
from driftline_processor.present.sentences.causes import explanation_sentence
from driftline_processor.present.sentences.verdict import verdict_action, verdict_now
from driftline_processor.present.states import compared, drifted, inconclusive_reason, overall
from driftline_processor.present.wording import iso_time
from driftline_processor.queries.history import MatchedPrediction, RecordedOutcome, StoredRow
from driftline_processor.queries.model_view import BaselineView, ModelView, verdict_of
from driftline_processor.queries.state_snapshot import StateSnapshot
from driftline_processor.web.answers import FiniteJSON
from driftline_processor.web.parameters import find_model, moment, no_window, number, read_flag
from driftline_processor.web.site import Site

MOST_EVALUATIONS = 1000

MOST_MODELS = 1000
"""Upper limit of model names per page."""


def routes(site: Site) -> list[BaseRoute]:
    """Return the routes. They must come after all other routes of a model, because a name may contain slashes."""
    state = site.state
    return [
        Guarded(
            "/api/v1/models",
            lambda request: models(request, site),
            may="read",
            by_model=True,
            parameters="limit cursor",
        ),
        Guarded(
            "/api/v1/models/{name:path}/evaluations",
            lambda request: evaluations(request, site),
            may="read",
            parameters="version environment window limit curves slices as_of",
        ),
        Guarded(
            "/api/v1/models/{name:path}/record",
            lambda request: record(request, site),
            may="read",
            parameters="version environment as_of",
        ),
        Guarded(
            "/api/v1/models/{name:path}/sections",
            lambda request: sections(request, state.snapshot),
            may="read",
            parameters="version environment window limit curves slices",
        ),
        Guarded(
            "/api/v1/models/{name:path}/formats/{format}",
            lambda request: in_format(request, state.snapshot, site.clock()),
            may="read",
            parameters="version environment window limit curves slices",
        ),
        Guarded(
            "/api/v1/models/{name:path}/outcomes",
            lambda request: outcomes(request, site),
            may="read_rows",
            parameters="version environment id",
        ),
        Guarded(
            "/api/v1/models/{name:path}",
            lambda request: model(request, site),
            may="read",
            parameters="version environment",
        ),
    ]


def models(request: Request, site: Site) -> Response:
    """Answer ``GET /api/v1/models``: each model in brief with its newest closed and its open window, in pages.

    The response also contains the overall verdict per name, the hints that belong to no model, and the address of the
    next page. ``?limit=`` is the number of names per page; all versions of a name are on one page. Pages are sorted by
    name, so that new traffic neither skips nor repeats a model; within a page the busiest models are first.
    ``?cursor=`` is the last name of the previous page.
    """
    snapshot = site.state.snapshot
    limit, cursor = number(request, "limit", 100, MOST_MODELS), request.query_params.get("cursor", "")
    may = principal_of(request.scope).may
    readable = (name for name, views in snapshot.by_handle.items() if may("read", views[0].key.model))
    after = sorted(name for name in readable if "cursor" not in request.query_params or name > cursor)
    chosen = set(after[:limit])
    views_by_handle = {name: parts for name, parts in snapshot.by_handle.items() if name in chosen}
    paging = site.paging()
    documents = _documents((model for model in snapshot.models if handle(model.key.model) in chosen), paging)
    following = {"limit": str(limit), "cursor": after[limit - 1]} if len(after) > limit else None
    return FiniteJSON(
        {
            "models": documents,
            "verdicts": {parts[0].key.model: _overall(parts, paging) for parts in views_by_handle.values()},
            "hints": list(snapshot.hints) if may("read") else [],
            "total": sum(may("read", views[0].key.model) for views in snapshot.by_handle.values()),
            "next": None if following is None else f"/api/v1/models?{urlencode(following)}",
        }
    )


def _documents(views: Iterable[ModelView], paging: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Return versions in brief; a healthy one with an open alert has the advice to check the alert."""
    write, documents = MODEL_SHAPES.writer(ModelView), []
    for view in views:
        policies = paging.get(view.key.model, ())
        document = write(view)
        documents.append(document | {"verdict": json_of(with_alert(view.verdict, policies))} if policies else document)
    return documents


def _overall(views: Sequence[ModelView], paging: Mapping[str, Sequence[str]]) -> Any:
    return json_of(with_alert(verdict_of(views), paging.get(views[0].key.model, ())))


def model(request: Request, site: Site) -> Response:
    """Answer ``GET /api/v1/models/{name}``: the overall verdict of a model, and its versions and environments."""
    snapshot, paging = site.state.snapshot, site.paging()
    name = find_model(request, snapshot).key.model
    same = snapshot.versions_of(handle(name))
    return FiniteJSON({"model": name, "verdict": _overall(same, paging), "versions": _documents(same, paging)})


def evaluations(request: Request, site: Site) -> Response:
    """Answer ``GET /api/v1/models/{name}/evaluations``: windows of one length, newest last.

    ``?curves=true`` adds the performance curves; ``?slices=false`` leaves out the slices.
    """
    if "as_of" in request.query_params:
        return evaluations_as_of(request, site)
    window_request = read_window_request(request, site.state.snapshot)
    model = window_request.model
    return window_request.answer(
        map(window_request.rendered, window_request.recorded()),
        verdict=json_of(model.verdict),
        concept=json_of(model.concept),
        outcome_delay=json_of(model.outcome_delay),
    )


def record(request: Request, site: Site) -> Response:
    """Answer ``GET /api/v1/models/{name}/record``: each change of the state or of its findings, and its time of belief.

    ``?as_of=`` answers what was believed at a time, before outcomes that came later.
    """
    model = find_model(request, site.state.snapshot)
    as_of = moment(request, "as_of") if "as_of" in request.query_params else site.clock()
    key, write = model.key, MODEL_SHAPES.writer(StoredRow)
    rows = list(map(write, site.state.queries.history.record(key, as_of)))
    identity = {"model": key.model, "version": key.version, "environment": key.environment}
    return FiniteJSON({**identity, "as_of": iso_time(as_of), "rows": rows})


def sections(request: Request, snapshot: StateSnapshot) -> Response:
    """Answer ``GET /api/v1/models/{name}/sections``: the newest windows in the layout of the terminal."""
    window_request = read_window_request(request, snapshot)
    model, window = window_request.model, window_request.window
    laid_out = sections_of_windows(window_request.recorded(), model.timezone, TOP)
    identity = (model.key.model, model.key.version, model.key.environment, window, model.timezone)
    return FiniteJSON(to_builtins(ModelSections(*identity, tuple(laid_out))))


def in_format(request: Request, snapshot: StateSnapshot, now: int) -> Response:
    """Answer ``GET /api/v1/models/{name}/formats/{format}``: closed windows in another format, newest last."""
    chosen = read_window_request(request, snapshot).windows
    try:
        return FiniteJSON(
            windows_in(request.path_params["format"], [evaluation for evaluation in chosen if evaluation.closed], now)
        )
    except ValueError as error:
        raise HTTPException(404, str(error)) from error


class WindowRequest(NamedTuple):
    """The windows of a model that a request selects."""

    model: ModelView
    window: str
    limit: int
    curves: bool
    slices: bool

    @property
    def windows(self) -> Sequence[Evaluation]:
        """The newest windows, at most ``limit``."""
        return self.model.windows.get(self.window, [])[-self.limit :]

    def recorded(self) -> list[Evaluation]:
        """Return the windows with the track records of their estimates and with their verdicts."""
        all_windows = self.model.windows.get(self.window, [])
        return self.model.with_verdicts(with_track_records(all_windows, len(all_windows) - len(self.windows)))

    def rendered(self, evaluation: Evaluation) -> dict[str, Any]:
        """Return a window as JSON with the requested parts."""
        return to_json(evaluation, self.curves, self.slices)

    def answer(self, windows: Iterable[Mapping[str, Any]], **more: Any) -> Response:
        """Return a response with windows; ``more`` is added next to them."""
        key = self.model.key
        identity = {"model": key.model, "version": key.version, "environment": key.environment, "window": self.window}
        return FiniteJSON({**identity, "timezone": self.model.timezone, **more, "windows": list(windows)})


def read_window_request(request: Request, snapshot: StateSnapshot) -> WindowRequest:
    """Return the windows that a request selects. Raises 400 or 404 with a sentence."""
    model = find_model(request, snapshot)
    window = request.query_params.get("window") or next(iter(model.windows), "")
    if window and window not in model.windows:
        raise no_window(model, window)
    limit = number(request, "limit", 100, MOST_EVALUATIONS)
    return WindowRequest(model, window, limit, read_flag(request, "curves", False), read_flag(request, "slices", True))


def _deciding_period(verdict: Verdict | None) -> list[str] | None:
    """Return begin and end of the period whose rows the numbers are; None if it is not stored."""
    if verdict is None or verdict.window_start is None or verdict.window_end is None:
        return None
    return [iso_time(verdict.window_start), iso_time(verdict.window_end)]


def _changed_by(verdict: Verdict | None) -> str | None:
    """Return what would change a state: what ends a degradation, or what settles a state that is not certain."""
    if verdict is None:
        return None
    return verdict_now(verdict) or (None if verdict.state == "healthy" else verdict_action(verdict))


class BriefWindow(Evaluation):
    """A window without its features, for a table of models."""


class WindowsOfLength(Struct, frozen=True):
    """The windows of one length: the newest closed window, the open window, and the newest mature window.

    ``rows``: number of rows of up to 40 windows, newest last.
    """

    closed: BriefWindow | None
    open: BriefWindow | None
    measured: BriefWindow | None
    rows: list[int]


def _windows(model: ModelView) -> dict[str, Any]:
    return {
        name: WindowsOfLength(
            cast("Any", newest_closed(window)),
            cast("Any", next((evaluation for evaluation in reversed(window) if not evaluation.closed), None)),
            cast("Any", model.measured(name)),
            [evaluation.rows for evaluation in window[-40:]],
        )
        for name, window in model.windows.items()
    }


def _score_psi(evaluation: Evaluation) -> float | None:
    psi = evaluation.score.methods.get("psi") if evaluation.score else None
    return None if psi is None else finite(psi.value)


def _finite(name: str, attribute: str | None = None) -> Key:
    return Key(name, attribute, finite, float | None)


def _received(name: str) -> Key:
    return computed(name, lambda model: iso_time(getattr(model, name)) if model.received else None, str | None)


class BriefMetric(MetricValue, frozen=True):
    """A metric without its interval."""


MODEL_SHAPES = SHAPES.with_more(
    {
        BriefMetric: (_finite("value"), "rows source"),
        BriefWindow: (
            time_of("start", "window.start"),
            time_of("end", "window.end"),
            "rows distributed closed",
            computed("state", overall, State),
            computed("reason", lambda one: inconclusive_reason(one) or None, str | None),
            group(
                "drift",
                computed("drifted", drifted, int),
                computed("compared", compared, int),
                _finite("fraction"),
                _finite("weighted_fraction"),
                INCIDENT,
                computed("score_psi", _score_psi, float | None),
            ),
            Key("performance", "realized", type=dict[str, BriefMetric]),
            group("outcomes", Key("rows", "outcome_rows"), _finite("coverage")),
            Key(
                "explanation",
                by=lambda why: None if why is None else explanation_sentence(why) or None,
                type=str | None,
            ),
        ),
        WindowsOfLength: "closed open measured rows",
        Balance: (_finite("value", "completeness"), "rows counted", time_of("start"), time_of("end")),
        MatchedPrediction: ("version environment", time_of("time"), "counts"),
        RecordedOutcome: (
            time_of("time"),
            time_of("received"),
            "environment",
            time_or_null("prediction_time"),
            "actual item value weight",
            Key("slices", by=dict, type=dict[str, str]),
            "retracted belongs_to",
        ),
        Effect: "metric value low high",
        RowFinding: (
            "role subject",
            time_at("since"),
            time_or_null("since_earliest"),
            time_or_null("until"),
            computed("finding", lambda one: clause(one.fact) or None, str | None),
            "size",
        ),
        StoredRow: (
            time_of("end", "row.end"),
            Key("state", "row.state", type=VerdictState),
            Key("since", "row.since", lambda time: iso_time(time) if time else None, str | None),
            time_of("believed"),
            Key("findings", "row.findings", type=list[RowFinding]),
            Key("period", "row.verdict", _deciding_period, list[str] | None),
            Key("changed_by", "row.verdict", _changed_by, str | None),
        ),
        PaneSource: (
            "source epoch panes rows outcomes",
            *(time_of("first"), time_of("last"), time_of("received")),
        ),
        BaselineView: ("source is_own", or_null("other_version"), "digest rows features learned needed"),
        ModelView: (
            Key("model", "key.model", type=str),
            Key("version", "key.version", type=str),
            Key("environment", "key.environment", type=str),
            or_null("team"),
            "tier",
            Key("task", "task.kind", type=str),
            Key("classes", "task.classes", type=list[str]),
            Key("positive_class", "task.positive_class", type=str),
            "rows distributed",
            Key("completeness", "balance"),
            _received("first"),
            _received("last"),
            time_or_null("received"),
            "verdict in_use pending_windows",
            "by_class outcomes pending",
            computed("pending_since", lambda one: iso_time(one.pending_since) if one.pending else None, str | None),
            "timezone concept baseline outcome_delay pane_sources hints",
            computed("windows", _windows, dict[str, WindowsOfLength]),
        ),
    }
)


def outcomes(request: Request, site: Site) -> Response:
    """Answer ``GET /api/v1/models/{name}/outcomes``: all outcomes received for an id."""
    model, id = find_model(request, site.state.snapshot), id_text(request.query_params.get("id"))
    if not id:
        raise HTTPException(400, "the id of the prediction is missing; add it, as in ?id=A-1001")
    write = MODEL_SHAPES.writer(RecordedOutcome)
    recorded_outcomes = site.state.queries.history.outcomes(model.key.model, id)
    site.note_rows(request, "the outcomes of an id", len(recorded_outcomes), model.key.model)
    return FiniteJSON({"model": model.key.model, "id": id, "outcomes": list(map(write, recorded_outcomes))})


def evaluations_as_of(request: Request, site: Site) -> Response:
    """Answer ``GET /api/v1/models/{name}/evaluations?as_of=``: closed windows as they were evaluated at that time."""
    window_request, as_of = read_window_request(request, site.state.snapshot), moment(request, "as_of")
    model, history = window_request.model, site.state.queries.history
    stored = {name: history.evaluations(model.key, name, as_of, MOST_EVALUATIONS) for name in model.windows}
    believed = {name: with_track_records([one.evaluation for one in of_name], 0) for name, of_name in stored.items()}
    record = Record(chain(*believed.values()), model.record.context)
    name = window_request.window  # "" for a model without windows
    windows = zip(record.with_verdicts(believed.get(name, ())), stored.get(name, ()), strict=True)
    documents = [
        {**window_request.rendered(window), "believed": iso_time(one.stored_at)}
        for window, one in [*windows][-window_request.limit :]
    ]
    return window_request.answer(documents, as_of=iso_time(as_of))
