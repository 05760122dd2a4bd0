"""The overview of a model on one screen: state, since when, causes, and actions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from operator import methodcaller
from typing import NamedTuple

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded
from driftline_processor.core import facts
from driftline_processor.core.drift.rule import MIN_ROWS
from driftline_processor.core.evaluation import Evaluation, MetricValue, ObjectiveState, Verdict
from driftline_processor.core.fact import columns_of, facts_within
from driftline_processor.core.performance.slices import rank_slices, ranking_metric
from driftline_processor.core.policy.firing import with_alert
from driftline_processor.core.windows.window import closes_at
from driftline_processor.governance.decisions import Decision
from driftline_processor.policy.alert_history import AlertHistory, alert_histories
from driftline_processor.policy.silences import Silences
from driftline_processor.present import states, times
from driftline_processor.present.json_shapes import Key, time_of
from driftline_processor.present.metrics import (
    BESIDE,
    direction_words,
    interval_of_value,
    metric_ends,
    metric_names,
    metric_text,
    metric_title,
    metric_value,
)
from driftline_processor.present.money import loss_sentence
from driftline_processor.present.numbers import UNKNOWN, count, number, percent
from driftline_processor.present.sentences.causes import cause_clauses
from driftline_processor.present.sentences.verdict import BY_INPUTS, LINE_TITLES, verdict_lines
from driftline_processor.present.times import date_words, since_words, span_words, window_name
from driftline_processor.present.wording import capital, iso_time, printable, short
from driftline_processor.queries.feature_history import FeatureHistories
from driftline_processor.queries.incidents import Incident, IncidentLog
from driftline_processor.queries.money_lost import loss_of_model
from driftline_processor.web.charts.timeline_rows import history_parts, telling_metric, timeline_data, timeline_of
from driftline_processor.web.page import Page, Table, table_of
from driftline_processor.web.place import anchor, api_address, feature_page, read_place
from driftline_processor.web.selection import Selection, about, common_context
from driftline_processor.web.site import Site

from .feature import Picture, picture_of

NAMED = 2
"""Causes and slices that are listed; a link leads to the others."""

ALERTS = 2
"""Open alerts that are listed."""

OBJECTIVES = 2
"""Objectives that are listed."""

FIGURES = 4
"""Key figures of a window."""

BY_TASK: dict[str, tuple[str, ...]] = {
    "binary": ("log_loss", "mean_score", "roc_auc"),
    "multiclass": ("accuracy", "log_loss", "roc_auc_ovr"),
    "regression": ("mae", "rmse", "r2"),
    "ranking": ("ndcg@10", "mrr@10", "ctr"),
}
"""Primary metrics by task kind, in the order of preference."""

ADVICE_TO_LABEL = facts.SendOutcomes | facts.SendOutcomesOrLabel | facts.LabelMore
"""Advice for which the label queue is useful."""

FEATURE_NAME = 40
"""Upper limit of characters of a feature's name in the verdict's sentence."""


class Figure(Struct, frozen=True):
    """A key figure of a window.

    Attributes:
        title: Its title.
        value: The number as text.
        interval: Its interval, "" if there is none.
        reference: Reference value: the baseline, or the other metric of a pair.
        address: Address of its chart.
        bad: It is significantly worse than the reference value.
    """

    title: str
    value: str
    interval: str
    reference: str
    address: str
    bad: bool = False


class TextPart(NamedTuple):
    """A piece of a sentence; ``address``: its link, "" = none."""

    text: str
    address: str = ""


class Action(NamedTuple):
    """A suggested action or page: a few words and an address."""

    words: str
    address: str


class Weakness(Struct, frozen=True):
    """A slice in which the model is weak: its name, its measurement, and the page that shows it."""

    name: str
    value: str
    address: str


def routes(site: Site) -> list[BaseRoute]:
    """Return the route of the page; all other pages of a model must come before it."""

    def show(request: Request) -> Response:
        if not read_place(request).model and "" not in site.state.snapshot.by_handle:
            return RedirectResponse("/", 303)  # the list of models is /, not /models
        selection, histories = site.selection(request), site.state.queries.features
        annotations = site.state.parts.decisions.of(selection.model.key.model)
        request_of = site.state.notifications.request_of
        found = alert_histories(site.state.alerts, selection.model.key.model, request_of)
        alerts = [one for one in found if one.alert.open]
        made = page(
            selection,
            site.clock(),
            log=site.incidents,
            histories=histories,
            annotations=annotations,
            alerts=alerts,
            silences=site.state.parts.silences,
        )
        return site.answer(request, made)

    return [Guarded("/models/{name:path}", show, may="read")]


def page(
    selection: Selection,
    now: int,
    *,
    log: IncidentLog | None = None,
    histories: FeatureHistories | None = None,
    annotations: Sequence[Decision] = (),
    alerts: Sequence[AlertHistory] = (),
    silences: Silences | None = None,
) -> Page:
    """Return the overview of a model.

    Args:
        selection: The model, the range, and the selected window.
        now: Unix nanoseconds.
        log: Source of its incidents.
        histories: Source of the windows of a feature; None = only the drawings of evaluations are available.
        annotations: Notes and deployments of people.
        alerts: Its open alerts.
        silences: All silences.
    """
    window_told, context = told_window(selection), common_context(selection, "", now)
    policies = [one.alert.policy for one in alerts if one.alert.notified is not None and not selection.past]
    tables, verdict = {"windows": windows_table(selection)}, with_alert(selection.verdict(), policies)
    lost, currency = loss_of_model(selection.versions), selection.model.currency
    money = "" if lost is None else loss_sentence(lost, currency, selection.model.timezone)
    context |= {"verdict": verdict, "money": money, "alerts": [], "more_alerts": 0, "silences": []}
    if silences is not None:
        shown = [(one.alert, silences.covering(one.alert, now)) for one in alerts[:ALERTS]]
        of_alerts = [silence for _, silence in shown]
        others = [one for one in silences.of_model(selection.model.key.model, now) if one not in of_alerts]
        context |= {"alerts": shown, "more_alerts": len(alerts) - len(shown), "silences": others}
    if window_told is None:
        context |= {"told": None, "lines": _lines(verdict, (), selection), "actions": (), "shown_by": ""}
        return Page("model/overview.html", context, tables, about(selection, policies))
    deciding = telling_metric(selection.shown_windows, "" if verdict is None else verdict.metric)
    timeline = timeline_of(
        selection.shown_windows,
        window_told,
        deciding,
        selection.reference.get(deciding),
        selection.model,
        selection.versions,
        annotations,
    )
    measured = measured_window(selection, window_told)
    causes = () if window_told.explanation is None else window_told.explanation.causes
    weak = list(_weaknesses(selection, window_told))
    named = 1 if weak and window_told.objectives else NAMED  # so that all of them fit on the screen
    open_incidents = [one for one in (log or IncidentLog()).of([selection.model]) if one.open and not one.minor]
    beyond_verdict = [incident for incident in open_incidents if incident.kind != "verdict"]
    # 80: characters of a cause; further clauses are folded
    context |= {
        "told": window_told,
        "shown_by": "" if selection.as_of else _shown_by(verdict),
        "chosen": window_told,
        "measured": selection.model.measured(selection.window),
        "closes": closes_at(window_told.window),
        "needed": MIN_ROWS,
        "lines": _lines(verdict, window_told.features, selection),
        "picture": _picture(selection, window_told, verdict, histories),
        "actions": list(_actions(selection, window_told, verdict)),
        "figures": figures(selection, measured),
        "figures_of": _other_period(measured, window_told, selection.model.timezone),
        "timeline": timeline,
        "timeline_data": timeline_data(timeline),
        "history": history_parts(
            selection.windows_of_length, selection.states_of(selection.windows_of_length), selection.shown_windows
        )
        if len(selection.windows_of_length) > 1
        else [],
        "explains": verdict is None or any(isinstance(reason, BY_INPUTS) for reason in verdict.reasons),
        "causes": [
            (linked(clause, cause.features, selection), folded)
            for cause in causes[:named]
            for clause, folded in [fold_clauses(cause_clauses(cause), 80)]
        ],
        "more_causes": max(len(causes) - named, 0),
        "drifted": _drifted(window_told, selection) if not causes else [],
        "weak": weak[:NAMED],
        "more_weak": max(len(weak) - NAMED, 0),
        "objectives": [
            (objective, _why_untold(objective, window_told, selection))
            for objective in sorted(window_told.objectives, key=states.rank_objective)[:OBJECTIVES]
        ],
        "more_objectives": max(len(window_told.objectives) - OBJECTIVES, 0),
        "open_incidents": len(open_incidents),
        "incident": _incident_line(beyond_verdict[0], selection) if beyond_verdict else None,
    }
    return Page("model/overview.html", context, tables, about(selection, policies))


def _lines(verdict: Verdict | None, features: Iterable[str], selection: Selection) -> list[tuple[str, list[TextPart]]]:
    """Return evidence, cause and action of a verdict with links, each with its title."""
    if verdict is None:
        return []
    names, confidence = [*features], LINE_TITLES["certainty"]  # which stands below money and alerts
    lines = verdict_lines(verdict)
    return [(title, linked(sentence, names, selection)) for title, sentence in lines if title != confidence]


def _picture(
    selection: Selection, evaluation: Evaluation, verdict: Verdict | None, histories: FeatureHistories | None
) -> Picture | None:
    """Draw the feature of the verdict's cause, else the one that is farthest from the baseline."""
    causes = [] if verdict is None else [*columns_of(verdict.cause)]
    explained = () if evaluation.explanation is None else evaluation.explanation.causes
    ranked = [column.name for column in states.rank(evaluation.features.values())]
    names = [*causes, *(name for cause in explained for name in cause.features), *ranked]
    name = next((name for name in names if name in evaluation.features), None)
    return None if name is None else picture_of(selection, name, evaluation, histories)


def told_window(selection: Selection) -> Evaluation | None:
    """Return the window of the key figures: the verdict's, or the one that the address selects."""
    place, verdict = selection.place, selection.model.verdict
    if place.at or place.until or verdict is None or verdict.window_start is None:
        return selection.chosen
    lengths = (
        [selection.windows_of_length]
        if place.window
        else [selection.windows_of_length, *selection.model.windows.values()]
    )
    about_it = (
        evaluation
        for length in lengths
        for evaluation in reversed(length)
        if evaluation.window.start == verdict.window_start
    )
    return next(
        (evaluation for evaluation in about_it if evaluation.window.end == verdict.window_end), selection.chosen
    )


def measured_window(selection: Selection, window_told: Evaluation) -> Evaluation:
    """Return the window whose metrics are shown: the days that show the verdict together, else that of the page."""
    if selection.place.at or selection.place.until or selection.place.window:
        return window_told
    return selection.model.deciding_window() or window_told


def _other_period(measured: Evaluation, window_told: Evaluation, timezone: str) -> str:
    """Return the period of the key figures; "" if it is the window of the page."""
    return "" if measured.window == window_told.window else window_name(measured.window, timezone)


def figures(selection: Selection, evaluation: Evaluation) -> list[Figure]:
    """Return the key figures of a window: metrics by task, then figures that need no outcomes."""
    figure_list: list[Figure] = []
    reference = evaluation.reference or selection.reference
    of_task = BY_TASK.get(selection.model.task.kind, ())
    drawn_names = set(BESIDE.values())
    measured = [
        name for name in evaluation.realized if evaluation.realized[name].value is not None and name not in drawn_names
    ]
    for name in dict.fromkeys((*of_task, *metric_names(measured))):
        if name in measured and len(figure_list) < FIGURES - 1:
            figure_list.append(_measured(name, evaluation, reference, selection))
    for name, estimate in evaluation.estimated.items():
        if estimate.value is not None and name not in measured and len(figure_list) < FIGURES - 2:
            baseline_words = "" if estimate.reference is None else f"baseline {metric_value(name, estimate.reference)}"
            title = f"{metric_title(name)}, estimated"
            value = metric_value(name, estimate.value)
            interval = metric_ends(name, estimate.low, estimate.high)
            address = selection.place.address("performance", anchor("estimate", name))
            figure_list.append(Figure(title, value, interval, baseline_words, address, bool(estimate.alert)))
    figure_list += list(_drift_figures(selection, evaluation))[: FIGURES - 1 - len(figure_list)]
    return [*figure_list, _outcomes(selection, evaluation)]


def linked(sentence: str, features: Iterable[str], selection: Selection) -> list[TextPart]:
    """Return a sentence in pieces, with links for the names of features."""
    addresses = {short(name, FEATURE_NAME): selection.place.address(feature_page(name)) for name in features}
    within = [name for name in addresses if name and name in sentence]
    if not within:
        return [TextPart(sentence)] if sentence else []
    longest = sorted(within, key=len, reverse=True)
    pieces = re.split(rf"(?<![\w.-])({'|'.join(map(re.escape, longest))})(?![\w-])", sentence)
    return [
        TextPart(piece, addresses.get(piece, "") if index % 2 else "") for index, piece in enumerate(pieces) if piece
    ]


def windows_table(selection: Selection) -> Table:
    """Return a row for each window shown, with all performance metrics."""
    metrics = metric_names(
        dict.fromkeys(name for evaluation in selection.shown_windows for name in evaluation.realized)
    )
    return table_of(
        selection.shown_windows,
        *(time_of("start", "window.start"), time_of("end", "window.end")),
        "closed rows outcomes=outcome_rows coverage",
        *(Key("state", "", states.overall), Key("drifted", "", states.drifted), Key("compared", "", states.compared)),
        *(Key(name, "realized", partial(_value_of, name)) for name in metrics),
        *(
            Key(f"business {evaluation.keys.name}", "business", methodcaller("get", evaluation.keys.name))
            for evaluation in selection.model.business
        ),
    )


def _value_of(name: str, metrics: Mapping[str, MetricValue]) -> float | None:
    return metrics[name].value if name in metrics else None


def _measured(name: str, evaluation: Evaluation, reference: Mapping[str, MetricValue], selection: Selection) -> Figure:
    metric, pair = evaluation.realized[name], evaluation.realized.get(BESIDE.get(name, ""))
    title, baseline = metric_title(name), _baseline_words(name, reference)
    changes = [evaluation.realized_changes.get(name)]
    if pair is not None and pair.value is not None and name == "mean_score":
        ends = interval_of_value("actual_rate", pair.low, pair.high)
        title, baseline = "predicted rate", f"actual rate {metric_value('actual_rate', pair.value)}{ends}"
        changes = [evaluation.level]
    elif pair is not None and pair.value is not None:
        baseline = ", ".join(filter(None, (f"constant prediction {metric_value(name, pair.value)}", baseline)))
        changes.append(evaluation.constant_comparison)
    return Figure(
        title,
        metric_text(name, metric.value),
        metric_ends(name, metric.low, metric.high),
        baseline,
        selection.place.address("performance", anchor("metric", name)),
        any(change is not None and change.state == "worse" for change in changes),
    )


def _baseline_words(name: str, reference: Mapping[str, MetricValue]) -> str:
    base = reference.get(name)
    if base is None or base.value is None:
        return direction_words(name)
    return f"baseline {metric_value(name, base.value)}"


def _drift_figures(selection: Selection, evaluation: Evaluation) -> Iterator[Figure]:
    """Yield the figures that need no outcomes: drifted inputs, drift of the score, and traffic."""
    address = selection.place.address("drift")
    if evaluation.features:
        drifted, compared = states.drifted(evaluation), states.compared(evaluation)
        compared_words = f"{compared} of {len(evaluation.features)} could be compared"
        value = f"{drifted} of {compared}" if compared else UNKNOWN
        yield Figure("drifted inputs", value, "", compared_words, address, drifted > 0)
    for column in (evaluation.score, evaluation.predicted):
        if column is not None and (psi := column.methods.get("psi")) is not None:
            state = states.state_word(column.state, column.reason)
            yield Figure(f"{column.words} drift, PSI", number(psi.value), "", state, address, column.state == "drift")
            break
    yield Figure("predictions", count(evaluation.rows), "", f"{count(selection.model.rows)} in all", address)


def _outcomes(selection: Selection, evaluation: Evaluation) -> Figure:
    """Return the number of known outcomes and their delay."""
    address = selection.place.address("data")
    if not evaluation.outcome_rows:
        return Figure("known outcomes", "none", "", f"of {count(evaluation.rows)} predictions", address)
    delay, within = evaluation.delay, ""
    if delay is not None and delay.median is not None:
        within = f"half arrive within {times.plain_duration(round(delay.median * 10**9))}"
    elif selection.model.outcome_delay.source != "unknown":
        within = f"delay up to {times.plain_duration(selection.model.outcome_delay.nanoseconds)}"
    row_words = f"{count(evaluation.outcome_rows)} of {count(evaluation.rows)}"
    return Figure("known outcomes", percent(evaluation.coverage), row_words, within, address)


def _actions(selection: Selection, evaluation: Evaluation, verdict: Verdict | None) -> Iterator[Action]:
    """Yield the actions of a verdict with their addresses."""
    advised = () if verdict is None else tuple(facts_within(verdict.advice))
    model, place = selection.model, selection.place
    window_parameters = {"at": iso_time(evaluation.window.start), "window": evaluation.window.name or selection.window}
    if any(isinstance(one, ADVICE_TO_LABEL) for one in advised):
        yield Action("rows to label next", api_address(model, "label-next", {"format": "csv"}))
    if any(isinstance(one, facts.ChangeVersion) for one in advised):
        yield Action("compare versions", place.address("versions"))
    if evaluation.outcome_rows:
        yield Action("worst predictions", place.address("predictions", **window_parameters))
    if states.drifted(evaluation):
        yield Action("drifted columns", place.address("drift", **window_parameters))
    if evaluation.findings:
        yield Action("data quality", place.address("data", **window_parameters))


def _shown_by(verdict: Verdict | None) -> str:
    """Return the window of the verdict's numbers; "" if its sentence names it, or without one."""
    if verdict is None or verdict.of_window or verdict.window_start is None or verdict.window_end is None:
        return ""
    return span_words(verdict.window_start, verdict.window_end, verdict.timezone, days=verdict.of_days)


def _incident_line(incident: Incident, selection: Selection) -> Action:
    """Return the begin, the sentence and the address of an open incident."""
    since = since_words(incident.since, selection.model.timezone, days=True)
    address = selection.place.address("incidents", f"incident-{incident.name}")
    return Action(f"open{since}: {short(incident.sentence, 90).rstrip('.')}", address)


def fold_clauses(clauses: Sequence[str], room: int) -> tuple[str, str]:
    """Return the clauses of a sentence that fit into ``room`` characters, at least the first, and the folded others.

    >>> fold_clauses(["temp and dewp have drifted: below 5 went from 41 % to 6 %", "they carry 52 % of it"], 60)
    ('temp and dewp have drifted: below 5 went from 41 % to 6 %', 'They carry 52 % of it')
    >>> fold_clauses(["temp has drifted"], 60)
    ('temp has drifted', '')
    """
    first_clause, *rest = map(printable, clauses)
    while rest and len(f"{first_clause}; {rest[0]}") <= room:
        first_clause = f"{first_clause}; {rest.pop(0)}"
    return first_clause, capital("; ".join(rest))


def _drifted(evaluation: Evaluation, selection: Selection) -> list[tuple[str, str, str]]:
    """Return the features with the largest drift if there is no explanation: name, words and address."""
    ranked = [column for column in states.rank(evaluation.features.values()) if column.state == "drift"]
    return [
        (short(column.name, 40), f"{column.size} drift".strip(), selection.place.address(feature_page(column.name)))
        for column in ranked[:NAMED]
    ]


def _weaknesses(selection: Selection, evaluation: Evaluation) -> Iterator[Weakness]:
    """Yield the model's weak slices, configured slices, and groups with different performance."""
    place = selection.place
    weak = evaluation.weak.slices if evaluation.weak else ()
    for weak_slice in weak:
        value = f"{number(weak_slice.value)}, elsewhere {number(weak_slice.rest)}"
        yield Weakness(short(weak_slice.name, 60), value, place.address("performance", "weak-slices"))
    metric, _ = ranking_metric(evaluation.performance_slices.values())
    for name, performance in rank_slices(evaluation.performance_slices):
        measured = performance.metrics.get(metric)
        if measured is not None and measured.value is not None:
            ends = interval_of_value(metric, measured.low, measured.high)
            value = f"{metric_title(metric)} {metric_value(metric, measured.value)}{ends}"
            yield Weakness(short(name, 60), value, place.address("performance", "performance-slices", slices=(name,)))
    for fairness in evaluation.fairness:
        broken = [weak_slice.name for weak_slice in fairness.criteria if weak_slice.state == "broken"]
        if broken:
            words = f"{states.state_word(broken[0])} broken"
            yield Weakness(short(fairness.attribute, 60), words, place.address("performance", "fairness"))


def _why_untold(objective_state: ObjectiveState, evaluation: Evaluation, selection: Selection) -> str:
    """Return why an objective is inconclusive; "" if it is not or the reason is unknown."""
    if objective_state.state != "inconclusive":
        return ""
    model, end = selection.model, objective_state.until or evaluation.window.end
    if evaluation.closed and evaluation.outcome_rows and not model.mature(evaluation):
        until = date_words(end + model.outcome_delay.nanoseconds, model.timezone, days=True)
        return f"not final: outcomes may arrive until {until}"
    return objective_state.reason.replace("_", " ")
