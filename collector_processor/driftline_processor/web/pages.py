"""The pages: which window is chosen, in what order things are shown, and where every link leads.

To add a section: its words in the module of `present/` that has its subject, a file in `templates/sections/`, and its
place in `templates/model.html`, which orders them. A template sees the window as ``chosen``, and what
:func:`_templates` gives it by name, modules of `present/` above all. The terminal has the same section in
`terminal/sections.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from driftline_processor.core.drift import slices
from driftline_processor.core.drift.multivariate import JOINT
from driftline_processor.core.drift.rule import MIN_ROWS
from driftline_processor.core.estimate.point import ASSUMES
from driftline_processor.core.estimate.track_record import with_track_records
from driftline_processor.core.evaluation import Evaluation, TargetDrift
from driftline_processor.core.outcomes.review import advice
from driftline_processor.core.performance import slices as sliced
from driftline_processor.core.quality import CHECKS
from driftline_processor.core.windows.window import closes_at
from driftline_processor.core.wording import iso_time
from driftline_processor.present import estimates as estimate_words
from driftline_processor.present import fairness as fairness_words
from driftline_processor.present import (
    names,
    numbers,
    outcomes,
    sentences,
    service_level,
    states,
    times,
    titles,
    verdicts,
)
from driftline_processor.present.concept import sentence
from driftline_processor.present.lasting import lasting_sentences, what_lacks
from driftline_processor.present.outcomes import delay_sentence
from driftline_processor.present.versions import comparison_cells as version_cells
from driftline_processor.present.versions import sentence as version_sentence
from driftline_processor.queries.mispredictions import Mispredictions
from driftline_processor.queries.overview import ModelView, has_performance
from driftline_processor.web.api.mispredictions import slices_of
from driftline_processor.web.api.parameters import find_model, moment, no_window
from driftline_processor.web.charts import curves, timelines
from driftline_processor.web.charts.distributions import distribution

STRIP = 60
"""Windows on one timeline: a day and a half of hours, two months of days."""

CARDS = 100
"""Features drawn on one page, the most drifted first; the API has all."""

HEAT = 40
"""Features in the overview of what drifts since when."""


DEFAULT_ADDRESSES = {"grpc": "127.0.0.1:4317", "http": "127.0.0.1:4318"}
"""The addresses of the OTLP receivers, for the page that says how to send the first prediction."""


def models(
    request: Request, known: Sequence[ModelView], hints: Sequence[str], now: int, addresses: Mapping[str, str]
) -> Response:
    """Answer the page of all models, or how to send the first prediction when there is none; ``hints``: of no model."""
    if not known:
        return _page(
            "first.html", now=now, hints=hints, host=request.url.netloc, addresses={**DEFAULT_ADDRESSES, **addresses}
        )
    return _page("models.html", now=now, hints=hints, models=[_summary(model) for model in _worst_first(known)])


def model(request: Request, known: Sequence[ModelView], now: int, wrong: Mispredictions | None = None) -> Response:
    """Answer the page of one model in one window.

    ``?version=&environment=`` choose among models of one name, ``window=`` the length and ``at=`` the window that holds
    a moment (ISO 8601 or unix time); without it the newest closed one. ``slice=key=value`` chooses among the worst
    predictions, which ``wrong`` finds. Raises 404 for what there is not.
    """
    found = find_model(request, known)
    same = [other for other in known if other.key.model == found.key.model]
    name = request.query_params.get("window") or _default_window(found)
    everything = found.windows.get(name)
    if everything is None and name:
        raise no_window(found, name)
    context: dict[str, Any] = {"now": now, "model": found, "same": same, "window": name}
    context |= {"version_sentence": version_sentence, "version_cells": version_cells}
    if not everything:
        return _page("model.html", **context, chosen=None)
    chosen = _chosen(everything, request, found.timezone)
    place = everything.index(chosen)
    begin = max(min(place - STRIP // 2, len(everything) - STRIP), 0)
    everything = [*everything[:begin], *with_track_records(everything, begin)]
    shown, chosen = everything[begin : begin + STRIP], everything[place]
    ranked = states.rank(chosen.features.values())
    asked = slices_of(request)
    worst = None
    if wrong is not None and chosen.outcome_rows:
        worst = wrong.worst(found.key, chosen.window.start, chosen.window.end, slices=asked)
    return _page(
        "model.html",
        **context,
        chosen=chosen,
        shown=shown,
        earlier=everything[place - 1] if place else None,
        later=everything[place + 1] if place + 1 < len(everything) else None,
        first=everything[0],
        last=everything[-1],
        ranked=ranked[:CARDS],
        left_out=max(len(ranked) - CARDS, 0),
        heated=_heated(shown, ranked)[:HEAT],
        metrics=_metrics(shown),
        reference=_reference(chosen, shown),
        measured=found.measured(name),
        closes=closes_at(chosen.window),
        needed=MIN_ROWS,
        checks=CHECKS,
        concept=_concept(found),
        lasting=lasting_sentences(chosen, lambda time: times.moment(time, found.timezone)),
        lasting_lacks=what_lacks(chosen),
        joint=JOINT,
        worst=worst,
        worst_slices=asked,
        at=lambda evaluation: address(found, name, evaluation),
        api=partial(_api, found),
    )


def failure(status: int, sentence: str) -> Response:
    """Answer an error as a page."""
    return _page("failure.html", status, code=status, sentence=sentence)


def address(model: ModelView, window: str = "", evaluation: Evaluation | None = None, target: str = "") -> str:
    """Return the address of a model's page, of one window of it, of one feature or metric on it.

    ``target``: the id of an element there, see :func:`anchor`.
    """
    asked = {
        "version": names.handle(model.key.version),
        "environment": names.handle(model.key.environment),
        "window": window,
        "at": iso_time(evaluation.window.start) if evaluation else "",
    }
    query = urlencode({key: value for key, value in asked.items() if value})
    fragment = "#" + quote(target, safe="") if target else ""
    return "/models/" + quote(names.handle(model.key.model), safe="") + ("?" + query if query else "") + fragment


def _api(model: ModelView, resource: str, **asked: str) -> str:
    """Return the address of what the API says of one model."""
    key = {"version": names.handle(model.key.version), "environment": names.handle(model.key.environment)}
    query = urlencode({name: value for name, value in {**key, **asked}.items() if value})
    path = f"/api/v1/models/{quote(names.handle(model.key.model), safe='')}/{resource}"
    return path + ("?" + query if query else "")


def anchor(kind: str, name: str) -> str:
    """Return the id of a feature's or metric's element: no spaces, and short whatever the name.

    >>> anchor("feature", "wind speed")
    'feature-wind_speed'
    """
    return f"{kind}-{'_'.join(names.handle(name).split())}"


def _worst_first(known: Sequence[ModelView]) -> list[ModelView]:
    """Sort models by verdict, the worst first; versions that are out of use come last."""
    return sorted(verdicts.worst_first(known, lambda model: model.verdict), key=lambda model: not model.in_use)


def _summary(model: ModelView) -> dict[str, Any]:
    name = _default_window(model)
    known = model.windows.get(name, [])
    newest = next((evaluation for evaluation in reversed(known) if evaluation.closed), None)
    measured = model.measured(name) or next((one for one in reversed(known) if has_performance(one)), None)
    metrics = titles.metric_names(measured.realized) if measured else []
    ranked = states.rank(newest.features.values() if newest else ())
    return {
        "model": model,
        "window": name,
        "address": address(model),
        "known": known,
        "newest": newest,
        "worst": [target for target in ranked if target.state == "drift"][:3],
        "open": known[-1] if known and not known[-1].closed else None,
        "measured": measured,
        "metrics": [metric for metric in metrics if titles.direction(metric)][:2],
    }


def _concept(model: ModelView) -> str:
    """Return what the stream of errors says, "" where it says nothing."""
    if model.concept is None or not model.outcomes:
        return ""
    return sentence(model.concept, lambda time: times.moment(time, model.timezone))


def _default_window(model: ModelView) -> str:
    """Return the longest window that has closed once, else the shortest: the most informative one."""
    length = {name: known[-1].window.end - known[-1].window.start for name, known in model.windows.items() if known}
    closed = [name for name in length if any(evaluation.closed for evaluation in model.windows[name])]
    if closed:
        return max(closed, key=lambda name: length[name])
    return min(length, key=lambda name: length[name]) if length else next(iter(model.windows), "")


def _chosen(known: Sequence[Evaluation], request: Request, timezone: str) -> Evaluation:
    time = moment(request, "at", 0)
    if not time:
        return next((evaluation for evaluation in reversed(known) if evaluation.closed), known[-1])
    for evaluation in known:
        if evaluation.window.start <= time < evaluation.window.end:
            return evaluation
    asked, first, last = (times.moment(at, timezone) for at in (time, known[0].window.start, known[-1].window.end))
    raise HTTPException(404, f"no window with predictions holds {asked}; there are some from {first} to {last}")


def _heated(shown: Sequence[Evaluation], ranked: Sequence[TargetDrift]) -> list[str]:
    """Features by how often they drift in the windows shown, then as ranked in the chosen one."""
    times: dict[str, int] = {target.name: 0 for target in ranked}
    for evaluation in shown:
        for name, target in evaluation.features.items():
            times[name] = times.get(name, 0) + (target.state == "drift")
    return sorted(times, key=lambda name: -times[name])


def _metrics(shown: Sequence[Evaluation]) -> list[str]:
    everything = {name: metric for evaluation in shown for name, metric in evaluation.realized.items()}
    drawn_in_another = {other for metric, other in titles.BESIDE.items() if metric in everything}
    return [name for name in titles.metric_names(everything) if name not in drawn_in_another]


def _reference(chosen: Evaluation, shown: Sequence[Evaluation]) -> Mapping[str, Any]:
    return next((evaluation.reference for evaluation in (chosen, *reversed(shown)) if evaluation.reference), {})


@lru_cache(maxsize=1)
def _templates() -> Environment:
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals.update(numbers=numbers, names=names, states=states, titles=titles, times=times, iso_time=iso_time)
    templates.globals.update(verdicts=verdicts, sentences=sentences, outcomes=outcomes, advice=advice)
    templates.globals.update(service_level=service_level)
    templates.globals.update(charts=timelines, distribution=distribution)
    templates.globals.update(address=address, anchor=anchor, delay_sentence=delay_sentence)
    templates.globals.update(estimate_chart=timelines.estimate, estimate_words=estimate_words, assumes=ASSUMES)
    templates.globals.update(drawn_curves=curves.curve_charts_of, confusion_matrix=curves.confusion_matrix)
    templates.globals.update(
        ranked_slices=slices.rank_drifted_slices,
        told=slices.slice_sentence,
        fairness_told=fairness_words.criterion_sentence,
    )
    templates.globals.update(highest_rate=fairness_words.HIGHEST)
    templates.globals.update(ranked_performance=sliced.rank_slices, ranking_metric=sliced.ranking_metric)
    return templates


def _page(template: str, status: int = 200, /, **context: Any) -> Response:
    page = _templates().get_template(template).render(context)
    # A half surrogate in a name from the wire cannot be encoded; it is shown as a question mark.
    return HTMLResponse(page.encode("utf-8", "replace"), status_code=status, headers={"Cache-Control": "no-store"})
