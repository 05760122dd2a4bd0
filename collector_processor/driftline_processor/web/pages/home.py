"""The home page: a row per model, the most urgent first."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import is_
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded
from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation, MetricValue, Verdict, VerdictState, newest_window
from driftline_processor.core.metrics import direction
from driftline_processor.core.performance.daily_loss import DailyLoss
from driftline_processor.core.policy.firing import with_alert
from driftline_processor.core.verdict.states import ORDER, rank_state
from driftline_processor.present import money, names, numbers, states
from driftline_processor.present.json_shapes import Key, or_null, time_at
from driftline_processor.present.metrics import metric_ends, metric_names, metric_text
from driftline_processor.present.sentences import verdict as verdicts
from driftline_processor.present.times import common_zone
from driftline_processor.present.wording import iso_time, short
from driftline_processor.queries.model_view import ModelView, has_performance, leading_model, verdict_of
from driftline_processor.queries.money_lost import TROUBLES, loss_of_model
from driftline_processor.queries.state_snapshot import StateSnapshot
from driftline_processor.web.page import Page, Table, first_shown, table_of
from driftline_processor.web.place import Place
from driftline_processor.web.selection import default_window
from driftline_processor.web.site import Site

from .unknown_outcomes import ADDRESS as UNKNOWN_OUTCOMES

DEFAULT_ADDRESSES = {"grpc": "127.0.0.1:4317", "http": "127.0.0.1:4318"}
"""Addresses of the OTLP receivers, for the page that shows how to send the first prediction."""


class ModelRow(Struct, frozen=True):
    """All versions and environments of a model in one row.

    Attributes:
        model: The version of the verdict.
        versions: All versions and environments, the busiest first.
        verdict: Overall verdict of the versions.
        rows: Number of predictions of all versions.
        received: Arrival of the newest prediction, unix nanoseconds, 0 = none.
        window: The most informative length of windows.
        windows: The windows of ``model`` of that length.
        measured: The window that the verdict is about, else the newest one with known performance.
        metric: Primary metric of the model; "" if unknown.
        money: Loss per day; None if unknown.
    """

    model: ModelView
    versions: tuple[ModelView, ...]
    verdict: Verdict | None
    rows: int
    received: int
    window: str
    windows: Sequence[Evaluation]
    measured: Evaluation | None
    metric: str
    money: DailyLoss | None = None

    @property
    def state(self) -> VerdictState:
        """State of the verdict; unknown without a verdict."""
        return "unknown" if self.verdict is None else self.verdict.state

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        return self._unjudged if self.verdict is None else verdicts.verdict_sentence(self.verdict)

    @property
    def reason(self) -> str:
        """The size of the effect in few words; state and begin have their own columns."""
        return self._unjudged if self.verdict is None else verdicts.verdict_size(self.verdict)

    @property
    def cause(self) -> str:
        """Sentence about the cause, or what is missing if the state is unknown; "" if nothing is known."""
        cause = "" if self.verdict is None else verdicts.verdict_cause(self.verdict)
        return cause or ("" if self.state != "unknown" else self.missing)

    @property
    def missing(self) -> str:
        """What is missing to know the state, without how to provide it, which is on the model's page."""
        return " ".join(f"{short(hint, 300).partition('; ')[0].rstrip('.')}." for hint in self.model.hints[:2])

    @property
    def step(self) -> str:
        """What to do in a few words; "" if nothing."""
        advice = None if self.verdict is None else self.verdict.advice
        nothing = isinstance(advice, facts.NoStep | None)
        return "" if nothing or self.verdict is None else verdicts.verdict_step(self.verdict)

    @property
    def money_words(self) -> str:
        """Loss per day if it is significant; else ""."""
        certain = self.money is not None and self.money.certain
        return f"loses {money.loss_words(self.money, self.model.currency)}" if certain and self.money else ""

    @property
    def _unjudged(self) -> str:
        """Reason why there is no verdict."""
        window = f"No {self.window} window" if self.window else "No window"
        return f"{window} has closed yet; {numbers.many(self.rows)} so far."

    @property
    def since(self) -> int | None:
        """Begin of the state, unix nanoseconds."""
        return None if self.verdict is None else self.verdict.since

    @property
    def value(self) -> MetricValue | None:
        """Newest known value of :attr:`metric`."""
        return self.measured.realized[self.metric] if self.measured is not None and self.metric else None

    @property
    def figure(self) -> str:
        """The value in few digits; fractions as a percentage."""
        return metric_text(self.metric, None if self.value is None else self.value.value)

    @property
    def interval(self) -> str:
        """Ends of the value's interval; "" if there is none."""
        ends = "" if self.value is None else metric_ends(self.metric, self.value.low, self.value.high)
        return ends.replace(" to ", "–")

    @property
    def team(self) -> str:
        """The team that owns the model; "" if not configured."""
        return next((version.team for version in self.versions if version.team), "")

    @property
    def tier(self) -> str:
        """Tier of the model, "1" (most critical) to "3"; "" if not configured."""
        return next((str(version.tier) for version in self.versions if version.tier is not None), "")

    @property
    def address(self) -> str:
        """Address of the model's page."""
        return Place(names.handle(self.model.key.model)).address()

    def holds(self, words: str) -> bool:
        """Return True if the names of model, team and versions contain all words, which are in lower case."""
        texts = [self.model.key.model, self.team]
        texts += [part for version in self.versions for part in (version.key.version, version.key.environment)]
        text = " ".join(texts).lower()
        return all(word in text for word in words.split())

    def loss(self) -> float:
        """Return the degradation of the metric as a fraction of the baseline's value; negative if it is better."""
        value, better = self.value, direction(self.metric) if self.metric else 0
        reference = None if self.measured is None else self.measured.reference.get(self.metric)
        now, was = (None if metric is None else numbers.finite(metric.value) for metric in (value, reference))
        return -math.inf if now is None or was is None else better * (was - now) / (abs(was) or 1.0)


def _need(row: ModelRow) -> tuple[bool, float, int, str]:
    """Return the sort key by urgency: degraded models by their significant loss of money, then by state and tier."""
    rank = len(ORDER) if row.verdict is None else rank_state(row.state)
    loses = row.money is not None and row.money.certain and row.state in TROUBLES
    amount = row.money.amount if row.money is not None and loses else 0.0
    return not any(version.in_use for version in row.versions), -amount, rank, row.tier or "9"


SORTS: Mapping[str, tuple[str, Callable[[ModelRow], Any]]] = {
    "need": ("state", _need),
    "name": ("model", lambda row: row.model.key.model.lower()),
    "since": ("since", lambda row: -(row.since or 0)),
    "performance": ("performance", lambda row: -row.loss()),
    "traffic": ("traffic", lambda row: -row.rows),
}
"""Sort order → title of the column and the key; urgency is the default."""

SHOWN = 100
"""Models per page; CSV and JSON have all."""

GROUPS: Mapping[str, Callable[[ModelRow], str]] = {
    "team": lambda row: short(row.team, 60) if row.team else "no team",
    "tier": lambda row: f"tier {row.tier}" if row.tier else "no tier",
}
"""Grouping → function that returns the group of a row."""


def routes(site: Site) -> list[BaseRoute]:
    """Return the route of the page."""
    remembered = RememberedRows()

    def show(request: Request) -> Response:
        snapshot, query_params = site.state.snapshot, request.query_params
        rows, paging = remembered.of(snapshot), site.paging()
        rows = [_with_alert(row, paging.get(row.model.key.model, ())) for row in rows]
        where, host = site.addresses, request.url.netloc
        home_page = page(
            rows=rows,
            hints=snapshot.hints,
            now=site.clock(),
            addresses=where,
            host=host,
            query_params=query_params,
            unknown_outcomes=UNKNOWN_OUTCOMES,
        )
        return site.answer(request, home_page)

    return [Guarded("/", show, may="read")]


def page(
    rows: Sequence[ModelRow],
    hints: Sequence[str],
    now: int,
    addresses: Mapping[str, str],
    host: str,
    query_params: QueryParams,
    unknown_outcomes: str = "",
) -> Page:
    """Return the page of all models, or how to send the first prediction if there is no model.

    Args:
        rows: All models.
        hints: Sentences that belong to no model.
        now: Unix nanoseconds.
        addresses: Addresses of the OTLP receivers.
        host: Host of this page.
        query_params: ``q`` searches names, versions and teams; ``state``, ``team`` and ``tier`` filter; ``sort`` is one
            of :data:`SORTS`, ``group`` one of :data:`GROUPS`; ``skip`` is the number of rows to skip.
        unknown_outcomes: Address of the outcomes of models without predictions; "" if there are none.
    """
    context = {"now": now, "hints": hints, "unknown_outcomes": unknown_outcomes}
    if not rows:
        where = {**DEFAULT_ADDRESSES, **addresses}
        return Page("start.html", {**context, "host": host, "addresses": where})
    query, state, team, tier = (query_params.get(name, "").strip() for name in ("q", "state", "team", "tier"))
    matches = [
        row
        for row in rows
        if row.holds(query.lower()) and (not team or row.team == team) and (not tier or row.tier == tier)
    ]
    counts = Counter(row.state for row in matches)
    shown_rows = [row for row in matches if not state or row.state == state]
    sort = query_params.get("sort", "") if query_params.get("sort", "") in SORTS else "need"
    shown_rows.sort(key=SORTS[sort][1])
    group = query_params.get("group", "") if query_params.get("group", "") in GROUPS else ""
    groups = _grouped(shown_rows, group)
    first = first_shown(query_params, len(shown_rows), SHOWN)
    return Page(
        "home.html",
        {
            **context,
            "zone": common_zone(version.timezone for row in rows for version in row.versions),
            "groups": _part_of_groups(groups, first, first + SHOWN),
            "first": first,
            "step": SHOWN,
            "shown": len(shown_rows),
            "known": len(rows),
            "found": len(matches),
            "counts": [
                (each_state, counts[each_state]) for each_state in ORDER if counts[each_state] or each_state == state
            ],
            "query": query,
            "state": state,
            "sort": sort,
            "sorts": {name: title for name, (title, _) in SORTS.items()},
            "choices": _choices(rows, {"team": team, "tier": tier, "group": group}),
        },
        {"models": models_table(shown_rows)},
        {"hints": list(hints), "counts": dict(counts)},
    )


def _with_alert(row: ModelRow, policies: Sequence[str]) -> ModelRow:
    return replace(row, verdict=with_alert(row.verdict, policies)) if policies else row


class RememberedRows:
    """Cached rows of all models, recomputed only for models that changed between snapshots. Thread-safe."""

    def __init__(self) -> None:
        self._rows: dict[str, ModelRow] = {}

    def of(self, snapshot: StateSnapshot) -> list[ModelRow]:
        """Return a row for each model, the busiest first."""
        before, rows = self._rows, dict[str, ModelRow]()
        for name, versions in snapshot.by_handle.items():
            row = before.get(name)
            same = row is not None and len(row.versions) == len(versions) and all(map(is_, row.versions, versions))
            rows[name] = row if row is not None and same else _row(versions)
        self._rows = rows
        return list(rows.values())


def _row(versions: Sequence[ModelView]) -> ModelRow:
    model = leading_model(versions)
    window = default_window(model)
    windows = model.windows.get(window, [])
    deciding = model.deciding_window()
    measured = deciding if deciding is not None and has_performance(deciding) else model.measured(window)
    measured = measured or next((window for window in reversed(windows) if has_performance(window)), None)
    metrics = metric_names(measured.realized) if measured else []
    rows = sum(version.rows + version.distributed for version in versions)
    received = max(version.received for version in versions)
    verdict, lost = verdict_of(versions), loss_of_model(versions)
    of_verdict = [verdict.metric] if verdict is not None and verdict.metric in metrics else []
    telling = next((name for name in (*of_verdict, *metrics) if direction(name)), "")
    return ModelRow(
        model=model,
        versions=tuple(versions),
        verdict=verdict,
        rows=rows,
        received=received,
        window=window,
        windows=windows,
        measured=measured,
        metric=telling,
        money=lost,
    )


class RowGroup(NamedTuple):
    """Rows of a team or tier; ``title``: "" without grouping. ``size``: number of rows on all pages."""

    title: str
    rows: Sequence[ModelRow]
    size: int


def _grouped(rows: Sequence[ModelRow], group: str) -> list[RowGroup]:
    """Return the groups of rows by name, rows without a group last; one group without a title by default."""
    if not group:
        return [RowGroup("", rows, len(rows))]
    groups: dict[str, list[ModelRow]] = {}
    for row in rows:
        groups.setdefault(GROUPS[group](row), []).append(row)
    ordered = sorted(groups.items(), key=lambda group_rows: (group_rows[0] == f"no {group}", group_rows[0].lower()))
    return [RowGroup(title, rows_of_group, len(rows_of_group)) for title, rows_of_group in ordered]


def _part_of_groups(groups: Sequence[RowGroup], first: int, end: int) -> list[RowGroup]:
    """Return the groups of a page: those with rows from ``first`` to ``end``."""
    found, offset = [], 0
    for group in groups:
        rows_of_part = group.rows[max(first - offset, 0) : max(end - offset, 0)]
        offset += group.size
        if rows_of_part or not group.title:
            found.append(group._replace(rows=rows_of_part))
    return found


def _choices(rows: Sequence[ModelRow], chosen: Mapping[str, str]) -> list[tuple[str, str, list[str]]]:
    """Return the filters with more than one value: name, selected value, and all values."""
    values = {
        "team": sorted({row.team for row in rows if row.team}, key=str.lower),
        "tier": sorted({row.tier for row in rows if row.tier}),
    }
    values["group"] = [name for name in GROUPS if values[name]]
    return [(name, chosen[name], value) for name, value in values.items() if value]


def _words(words: Callable[[Verdict], str], verdict: Verdict | None) -> str | None:
    return None if verdict is None else words(verdict) or None


def models_table(rows: Sequence[ModelRow]) -> Table:
    """Return the models as data."""
    return table_of(
        rows,
        "model=model.key.model version=model.key.version environment=model.key.environment",
        *(or_null("team"), Key("tier", by=lambda tier: int(tier) if tier else None), "state"),
        time_at("since"),
        Key("sentence", "", lambda row: None if row.verdict is None else row.sentence),
        *(
            Key(name, "verdict", partial(_words, words))
            for name, words in (
                ("headline", verdicts.verdict_headline),
                ("cause", verdicts.verdict_cause),
                ("action", verdicts.verdict_action),
            )
        ),
        *("rows", Key("last_seen", "received", lambda time: iso_time(time) if time else None), or_null("metric")),
        "value=value.value low=value.low high=value.high",
        Key("drifted", "windows", lambda windows: states.drifted(newest_window(windows)) if windows else None),
        "loss_a_day=money.amount loss_low=money.low loss_high=money.high",
        Key("currency", "", lambda row: None if row.money is None else row.model.currency),
    )
