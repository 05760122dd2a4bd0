"""How often the default policy tells of models that are quiet, and how soon of one that is not: evidence/alerts_*.json.

The models of :mod:`simulations.verdicts` live in step. At the end of each window the policies are looked at as in a
processor, with the alerts in a store. What leaves is counted.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from driftline.tables.table import I64, ModelKey
from driftline.tables.task import Task
from driftline_processor.config.policies import Policy
from driftline_processor.config.schema import Config
from driftline_processor.core.evaluation import Evaluation, MetricValue, Verdict, VerdictState
from driftline_processor.core.intervals.confidence import CONFIDENCE, WeightSums, clopper_pearson
from driftline_processor.core.policy.replay import MONTH, judge_quiet
from driftline_processor.core.policy.rule import MOST_WINDOWS, WindowHistory
from driftline_processor.core.verdict.traffic import Traffic, pace_of
from driftline_processor.core.windows.window import DAY, HOUR, PANE, Window, length
from driftline_processor.ingest.transaction import KEPT
from driftline_processor.policy.alerts import AlertStore
from driftline_processor.policy.message import Message
from driftline_processor.policy.silences import Silences
from driftline_processor.policy.watch import PolicyWatch, no_links
from driftline_processor.queries.model_view import ModelView
from driftline_processor.store.audit_log import AuditLog
from driftline_processor.store.database import Store
from msgspec import structs

from simulations.frame import Figures, Random, Row, Table, markdown, percent, table_of
from simulations.verdicts import (
    BEGINS,
    DAYS_DIFFER,
    NOTHING,
    QUIET_DAYS,
    SEEN,
    START,
    UNKNOWN,
    Change,
    Model,
    Version,
    live,
)

MOST = 1
"""Alerts of a quiet model in :data:`~simulations.verdicts.QUIET_DAYS` days that the documentation promises at most."""


Living = list[tuple[Version, int]]
"""The versions of a model at the end of a window, with how many rows each had in it."""


@dataclass
class Desk:
    """The policies that are there without being written, over models that a simulation draws.

    Attributes:
        messages: All that left.
        at: With each message, which window had ended.
    """

    watch: PolicyWatch
    messages: list[tuple[int, Message]] = field(default_factory=list)
    now: int = START

    def look(self, at: int, views: Sequence[ModelView]) -> None:
        """Look at the models at the end of a window."""
        self.now = max(view.watermark for view in views)
        self.messages += [(at, one) for one in self.watch.look(views)]

    def told(self) -> Iterator[tuple[int, str, VerdictState]]:
        """Yield each alert that was told: when, of which model, and of which state."""
        alerts = self.watch.store.alerts
        for at, message in self.messages:
            if message.kind in ("opened", "passed"):
                alert = alerts[message.alert]
                yield at, alert.model, alert.state or "unknown"


def at_desk(measure: Callable[[Desk], Figures]) -> Figures:
    """Measure with a watch of the default policy, whose store is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="driftline-alerts-") as folder:
        config = Config.model_validate({"notify": "https://127.0.0.1:1/", "storage": {"directory": folder}})
        store = Store(Path(folder))
        try:
            connection = store.connect(lasting=True)
            audit = AuditLog(store)
            silences = Silences(config.silences, connection, store.unreadable, audit)
            alerts = AlertStore(connection, store.unreadable, audit)
            desk = Desk(PolicyWatch(alerts, config, silences, lambda: desk.now, no_links))
            return measure(desk)
        finally:
            store.close()


def view_of(version: Version, at: int, rows: int, name: str, now: int | None = None) -> ModelView:
    """Return a version as the processor shows it at the end of a window.

    Args:
        version: The version; its verdict has been made.
        at: Which window.
        rows: Rows of the window.
        name: What the model is called among the others.
        now: The model's clock, unix nanoseconds; None = the end of the window.
    """
    known: list[Evaluation] = version.known(at)
    windows: dict[str, list[Evaluation]] = {}
    for one in known:
        windows.setdefault(one.window.name, []).append(one)
    end = windows[version.model.window][-1].window.end
    return ModelView(
        key=ModelKey(name, version.key.version),
        task=Task(version.model.kind),
        rows=rows,
        first=START,
        last=end,
        received=end,
        watermark=now or end,
        windows=windows,
        verdict=version.verdict,
        record=version.record,
    )


def quiet(model: Model, days: int = QUIET_DAYS) -> Callable[[int, Random], Figures]:
    """Return how many quiet models are told of, of which state, and how often at most."""

    def measure(models: int, rng: Random) -> Figures:
        windows = days * DAY // length(model.window)
        lives = [live(model, NOTHING, 0, windows, rng) for _ in range(models)]

        def run(desk: Desk) -> Figures:
            _live_together(desk, lives)
            told = list(desk.told())
            each = Counter(name for _, name, _ in told)
            return {
                "days": days,
                "told": len(each),
                "alerts": len(told),
                "most": max(each.values(), default=0),
                "states": dict(Counter(state for *_, state in told)),
                "alarm": sum(number > MOST for number in each.values()) / models,
            }

        return at_desk(run)

    return measure


def changed(model: Model, change: Change, states: Sequence[VerdictState]) -> Callable[[int, Random], Figures]:
    """Return after how many windows a change is told, as one of some states."""

    def measure(models: int, rng: Random) -> Figures:
        lives = [live(model, change, BEGINS, BEGINS + SEEN, rng) for _ in range(models)]

        def run(desk: Desk) -> Figures:
            _live_together(desk, lives)
            return _soon([(at - BEGINS + 1, name, state) for at, name, state in desk.told()], models, states)

        return at_desk(run)

    return measure


def stopped(model: Model) -> Callable[[int, Random], Figures]:
    """Return after how many hours a model that stops is told of. Its rows came at random, around the clock."""

    def measure(models: int, rng: Random) -> Figures:
        lives = [live(model, NOTHING, 0, BEGINS, rng) for _ in range(models)]
        panes = [_panes(model, rng) for _ in range(models)]

        def run(desk: Desk) -> Figures:
            newest = [version for (version, _), *_ in _live_together(desk, lives)]
            for hour in range(1, 49):
                now = START + BEGINS * DAY + hour * HOUR
                views = []
                for n, version in enumerate(newest):
                    version.verdict = _verdict_of_silence(version, panes[n], now)
                    views.append(view_of(version, BEGINS - 1, model.rows, f"m{n}", now))
                desk.look(BEGINS + hour, views)
            told = [(at - BEGINS, name, state) for at, name, state in desk.told()]
            return _soon(told, models, ("no_data",))

        return at_desk(run)

    return measure


def _live_together(desk: Desk, lives: Sequence[Iterator[Living]]) -> Sequence[Living]:
    """Let models live in step, and look at them at the end of each window; return them as they are at the last one."""
    living: Sequence[Living] = ()
    for at, living in enumerate(zip(*lives, strict=True)):
        desk.look(at, [view_of(one, at, rows, f"m{n}") for n, parts in enumerate(living) for one, rows in parts])
    return living


def _panes(model: Model, rng: Random) -> I64:
    """Draw in which panes the rows of a model came, nanoseconds, up to the day on which it stops."""
    times = rng.integers(START - 28 * DAY, START + BEGINS * DAY, model.rows * (28 + BEGINS))
    return np.unique(times // PANE * PANE)


def _verdict_of_silence(version: Version, panes: I64, now: int) -> Verdict:
    known = panes[panes >= now - KEPT]
    pace = pace_of(known, now)
    last = int(known[-1])
    since = None if pace is None else pace.silent_since(last, now)
    traffic = Traffic(now, since, 0 if pace is None else pace.limit)
    return version.record.now((), traffic, version.verdict)


def _soon(told: Sequence[tuple[int, str, VerdictState]], models: int, states: Sequence[VerdictState]) -> Figures:
    """Return how many models were told of after the change, how soon, and of how many one was told before."""
    after: dict[str, int] = {}
    for at, name, state in told:
        if at > 0 and state in states:
            after.setdefault(name, at)
    found = [*after.values(), *[np.inf] * (models - len(after))]
    middle, most = float(np.median(found)), float(max(found))
    return {
        "found": len(after) / models,
        "median": middle if np.isfinite(middle) else None,
        "most": most if np.isfinite(most) else None,
        "before": len({name for at, name, _ in told if at <= 0}),
        "alerts": len(told),
    }


@dataclass(frozen=True)
class Fleet(Row):
    """A row of a table; ``what``: the models, or what was planted, in words."""

    what: str
    unit: str = "windows"


_NONE = Model()
_HOURLY = replace(_NONE, window="1h", rows=300)
_BOTH = replace(_HOURLY, days_too=True)


def _quiet_rows() -> dict[str, Fleet]:
    kinds: Mapping[str, tuple[str, Model]] = {
        "alike": ("binary, 12 inputs, days alike", replace(_NONE, alike=0.0, unseen=0.0)),
        "little": ("the same, days differ a little", _NONE),
        "days": ("the same, days differ", DAYS_DIFFER),
        "keeps": ("the same, and a day keeps .5 of the one before", replace(DAYS_DIFFER, keeps=0.5)),
        "many": ("20 inputs, days differ", replace(DAYS_DIFFER, features=20)),
        "few": ("200 rows a day, days differ", replace(DAYS_DIFFER, rows=200)),
        "canary": ("a second version answers a fifth", replace(_NONE, canary=0.2)),
        "unknown": ("no outcomes", UNKNOWN),
        "regression": ("a regression, days differ a little", replace(_NONE, kind="regression")),
        "regression-days": ("a regression, days differ", replace(DAYS_DIFFER, kind="regression")),
    }
    found = {
        (name := f"alerts-quiet-{key}"): Fleet(name, quiet(model), EACH, what) for key, (what, model) in kinds.items()
    }
    hours = {
        "hourly": ("binary, 300 rows an hour, hourly windows", _HOURLY),
        "both": ("the same, windows of hours and of days, as where nothing is declared", _BOTH),
    }
    named = {f"alerts-quiet-{key}": (what, model) for key, (what, model) in hours.items()}
    return {
        **found,
        **{name: Fleet(name, quiet(model, HOURLY_DAYS), HOURLY, what) for name, (what, model) in named.items()},
    }


EACH = 5
"""Models of each of ten kinds: fifty."""

HOURLY, HOURLY_DAYS = 8, 30
"""Models with hourly windows, of each of two kinds, and their days."""

MODELS = 8
"""Models in which each fault is planted."""


def _unit(model: Model) -> str:
    """Return what the windows are called after which a change of a model is told."""
    return "hours" if model.window == "1h" else "windows"


def _changed_rows() -> dict[str, Fleet]:
    wrong: tuple[VerdictState, ...] = ("degraded",)
    seen: tuple[VerdictState, ...] = ("degraded", "at_risk")
    planted: Mapping[str, tuple[str, Model, Change, tuple[VerdictState, ...]]] = {
        "auc": ("a tenth of the outcomes turn", DAYS_DIFFER, Change(flipped=0.1), wrong),
        "unit": ("an input comes in thousandths of its unit", DAYS_DIFFER, Change(unit=1000.0), seen),
        "unit-unknown": ("the same, without outcomes", UNKNOWN, Change(unit=1000.0), seen),
        "both-auc": ("hours and days: a tenth of the outcomes turn", _BOTH, Change(flipped=0.1), wrong),
        "both-broken": ("hours and days: six in ten outcomes turn", _BOTH, Change(flipped=0.6), wrong),
        "both-unit": ("hours and days: the unit of the input", _BOTH, Change(unit=1000.0), seen),
        "both-failing": ("hours and days: a twentieth of the calls fail", _BOTH, Change(failing=0.05), wrong),
    }
    found = {
        (name := f"alerts-{key}"): Fleet(name, changed(model, change, states), MODELS, what, _unit(model))
        for key, (what, model, change, states) in planted.items()
    }
    name = "alerts-silence"
    return {**found, name: Fleet(name, stopped(_NONE), MODELS, "1,000 rows a day, and then none", "hours")}


def _quiet_text(figures: Mapping[str, Figures]) -> str:
    known = [(row, figures[name]) for name, row in QUIET_ROWS.items() if name in figures]
    lines = [
        [
            f"`{row.name}`",
            row.what,
            f"{one['windows']}",
            f"{one['days']}",
            f"{one['told']}",
            _states(one["states"]),
            f"{one['most']}",
        ]
        for row, one in known
    ]
    daily = [one for row, one in known if one["days"] == QUIET_DAYS]
    states = Counter[str]()
    for one in daily:
        states.update(one["states"])
    total = ["**all with daily windows**", "", f"{sum(one['windows'] for one in daily)}", f"{QUIET_DAYS}"]
    total += [f"{sum(one['told'] for one in daily)}", _states(states)]
    total += [f"{max((one['most'] for one in daily), default=0)}"]
    return markdown(["row", "models", "how many", "days", "told of", "alerts", "most of one model"], [*lines, total])


def _states(states: Mapping[str, int]) -> str:
    return ", ".join(f"{many} {state.replace('_', ' ')}" for state, many in sorted(states.items())) or "none"


def _changed_text(figures: Mapping[str, Figures]) -> str:
    lines = []
    for name, row in CHANGED_ROWS.items():
        if name not in figures:
            continue
        one = figures[name]
        median, most = (
            "later, or never" if one[key] is None else f"{one[key]:g} {row.unit if one[key] != 1 else row.unit[:-1]}"
            for key in ("median", "most")
        )
        lines.append([f"`{name}`", row.what, f"{one['windows']}", percent(one["found"]), median, most])
    return markdown(["row", "planted", "models", "told", "after, median", "after, at most"], lines)


RULE = "accuracy < average of 7 - 1 deviation"
"""What scenario 7 asks for, as people write it first."""

ACCURACY, OUTCOMES = 0.8, 1_000
"""The true accuracy of the quiet days over which rules are replayed, and outcomes of a day."""


def quiet_days(days: int, spread: float, rng: Random) -> WindowHistory:
    """Draw days of a model whose accuracy is what it was.

    Args:
        days: How many.
        spread: Standard deviation by which the true accuracy differs from day to day.
        rng: Generator.
    """
    true = ACCURACY + spread * rng.normal(size=days)
    hits = rng.binomial(OUTCOMES, true)
    windows = []
    for at, right in enumerate(hits.tolist()):
        missed = OUTCOMES - right
        low, high, by = clopper_pearson(WeightSums(right, right), WeightSums(missed, missed), CONFIDENCE)
        accuracy = MetricValue(right / OUTCOMES, OUTCOMES, "rows", low=low, high=high, interval=by)
        window = Window("1d", START + at * DAY, START + (at + 1) * DAY)
        one = Evaluation(ModelKey("m", "1"), window, OUTCOMES, closed=True)
        windows.append(structs.replace(one, realized={"accuracy": accuracy}, outcome_rows=OUTCOMES, coverage=1.0))
    return WindowHistory({"1d": windows})


def replayed(keys: Mapping[str, object], spread: float = 0.0) -> Callable[[int, Random], Figures]:
    """Return in how many quiet days a policy holds, and how often a month it would be told."""

    def measure(days: int, rng: Random) -> Figures:
        rule = Policy.model_validate({"when": RULE, **keys}).rule
        parts = [min(MOST_WINDOWS, days - done) for done in range(0, days, MOST_WINDOWS)]
        histories = [quiet_days(part, spread, rng) for part in parts]
        quiet = [judge_quiet(rule, history, rule.replay(history), None).quiet for history in histories]
        told = sum(one.windows for one in quiet)
        return {
            "held": sum(one.true_windows for one in quiet) / told,
            "a_month": sum(one.fired for one in quiet) * MONTH / told,
        }

    return measure


def _rule_rows() -> dict[str, Fleet]:
    kinds: Mapping[str, tuple[str, Mapping[str, object], float]] = {
        "alone": ("", {}, 0.0),
        "two": ("`in_a_row: 2`", {"in_a_row": 2}, 0.0),
        "three": ("`in_a_row: 3`", {"in_a_row": 3}, 0.0),
        "significant": ("`significant: true`", {"significant": True}, 0.0),
        "both": ("`significant: true`, `in_a_row: 2`", {"significant": True, "in_a_row": 2}, 0.0),
        "days": ("days differ by 2 points", {}, 0.02),
        "days-significant": ("the same, `significant: true`", {"significant": True}, 0.02),
        "days-both": ("the same, `significant: true`, `in_a_row: 2`", {"significant": True, "in_a_row": 2}, 0.02),
    }
    return {
        (name := f"rule-{key}"): Fleet(name, replayed(keys, spread), 20_000, what or "as it is")
        for key, (what, keys, spread) in kinds.items()
    }


def _rule_told(_: Fleet, one: Figures) -> list[str]:
    return [f"{one['windows']:,}", percent(one["held"]), f"{one['a_month']:.2g}"]


QUIET_ROWS, CHANGED_ROWS, RULE_ROWS = _quiet_rows(), _changed_rows(), _rule_rows()
QUIET_FLEETS = Table("alerts_quiet", QUIET_ROWS, _quiet_text)
RULE_HEAD = ["the rule", "quiet days", "it holds on", "false alarms a month"]
QUIET_RULES = Table("alerts_rules", RULE_ROWS, table_of(RULE_ROWS, RULE_HEAD, _rule_told))
CHANGED_FLEETS = Table("alerts_changed", CHANGED_ROWS, _changed_text)
