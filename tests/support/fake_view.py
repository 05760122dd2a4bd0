"""A view with realistic data: what the pages are developed and tested against.

``flights`` lives through a year like the demo's; the others each lack something.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np
import pytest
from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import DURATION_BOUNDS
from driftline.tables.table import F64, Column, ModelKey, OutcomeTable
from driftline.tables.task import Task
from driftline_processor.access.principal import Principal
from driftline_processor.core.decode.written_panes import WrittenPanes
from driftline_processor.core.evaluation import ColumnDrift, Evaluation, MethodValue, MetricValue, Size, State
from driftline_processor.core.performance.judge import confused, curves
from driftline_processor.core.performance.realized import realized
from driftline_processor.core.windows.window import Window
from driftline_processor.health import Health
from driftline_processor.queries.model_view import BaselineView, ModelView
from driftline_processor.queries.state_snapshot import StateSnapshot
from driftline_processor.queries.weak_slices import Queries
from driftline_processor.receipts import PanesReceipt, Receipt
from driftline_processor.web.app import create_app
from driftline_processor.web.site import Site
from msgspec import structs
from msgspec.structs import fields
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.support.people import EverybodyMayAll
from tests.support.serve import serve
from tests.support.verdict_windows import verdict_of_model
from tests.support.windows import windows_over

Browse = Callable[[Any], TestClient]
"""Opens the pages of a view."""

NOW = 1_388_534_400 * 10**9 + 9 * 3600 * 10**9  # 2014-01-01T09:00:00Z


QUERIES: tuple[str, ...] = tuple(Queries.__struct_fields__)


@dataclass
class FakeView:
    """A state that shows what a test says.

    Attributes:
        known: Its models, which a test may change.
        own: Its counters.
        said: Hints about no model.
        queries: What it answers when rows are asked for; None = nothing, of each.
        alerts: Its alerts, and what policies and people decided.
        audited: The entries of the audit log that were appended through it.
    """

    known: list[ModelView] = field(default_factory=list)
    own: dict[tuple[str, tuple[tuple[str, str], ...]], float] = field(default_factory=dict)
    said: tuple[str, ...] = ()
    queries: Any = field(default_factory=lambda: SimpleNamespace(**dict.fromkeys(QUERIES)))
    alerts: Any = field(
        default_factory=lambda: SimpleNamespace(alerts={}, open=(), messages={}, deliveries={}, approvals={})
    )
    decisions: Any = field(default_factory=lambda: SimpleNamespace(known=(), of=lambda _: []))
    explanations: Any = field(default_factory=lambda: SimpleNamespace(of_model=lambda _: [], of_alert=lambda *_: None))
    silences: Any = field(
        default_factory=lambda: SimpleNamespace(all=(), covering=lambda *_: None, of_model=lambda *_: [])
    )
    notifications: Any = field(default_factory=lambda: SimpleNamespace(request_of=lambda _: None))
    audit_log: Any = field(default_factory=lambda: SimpleNamespace(entries=lambda *_, **__: ([], 0), head="0:"))
    audited: list[dict[str, Any]] = field(default_factory=list)
    erase: Any = None
    decide: Any = None

    @property
    def snapshot(self) -> StateSnapshot:
        return StateSnapshot(tuple(self.known), self.said)

    @property
    def parts(self) -> FakeView:
        return self

    def counters(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        return self.own

    def audit(self, kind: str, **keys: Any) -> None:
        """Append an entry, as a state would."""
        self.audited.append({"kind": kind, **keys})

    def submit_outcomes(self, tables: list[OutcomeTable], _: bytes) -> Future[Receipt]:
        """Take outcomes in, as a state would."""
        future: Future[Receipt] = Future()
        future.set_result(Receipt(sum(map(len, tables))))
        return future

    def submit_panes(self, panes: WrittenPanes, _: int) -> Future[Receipt]:
        """Take panes in, as a state would."""
        future: Future[Receipt] = Future()
        future.set_result(Receipt(panes=PanesReceipt(accepted=len(panes.panes))))
        return future

    def note_panes(self, sender: Principal, panes: WrittenPanes) -> None:
        """Record who sent panes, as a state would."""
        self.audit("panes_sent", by=sender.audited_name, count=len(panes.panes))

    def note_outcomes(self, sender: Principal, tables: list[OutcomeTable]) -> None:
        """Record who sent outcomes, as a state would."""
        self.audit("outcomes_sent", by=sender.audited_name, count=sum(map(len, tables)))

    def unknown_outcomes(self, _: list[OutcomeTable]) -> tuple[()]:
        return ()


def app_of(
    state: Any, clock: Callable[[], int] = lambda: NOW, health: Health | None = None, rows: Any = None, **more: Any
) -> Starlette:
    """Return the pages and the API of a state, or of a :class:`FakeView`.

    Args:
        state: What they show.
        clock: Unix nanoseconds.
        health: What ``/readyz`` answers.
        rows: Name of a query of a :class:`FakeView` → what answers it.
        **more: Further attributes of the site.
    """
    for name, query in (rows or {}).items():
        setattr(state.queries, name, query)
    access = more.pop("access", None) or EverybodyMayAll()
    return create_app(Site(state=state, health=health or Health(), access=access, clock=clock, **more))


def ns(*date: int) -> int:
    """Return a date as unix nanoseconds."""
    return int(datetime(*date, tzinfo=UTC).timestamp()) * 10**9  # type: ignore[misc,arg-type]


def column(
    name: str,
    was: F64,
    now: F64,
    rows: int,
    cells: tuple[str, ...],
    method: str = "ks",
    kind: str = "feature",
    missing: float = 0.0,
) -> ColumnDrift:
    """Drift of two histograms by rough rules: enough for pages, no statistics."""
    p, q = was / was.sum(), now / now.sum()
    psi = float(((q - p) * np.log((q + 1e-4) / (p + 1e-4))).sum())
    ks = float(np.abs(np.cumsum(q - p)).max())
    state: State = "inconclusive" if rows < 50 else "drift" if psi > 0.03 else "ok"
    size: Size = "" if state == "inconclusive" else "large" if psi > 0.25 else "moderate" if psi > 0.1 else "small"
    p_value = math.exp(-rows * ks * ks * 2)
    return ColumnDrift(
        column=kind,  # type: ignore[arg-type]
        name=name if kind == "feature" else "",
        state=state,
        decided_by=method,
        rows=rows,
        methods={
            "psi": MethodValue(psi),
            method: MethodValue(ks if method == "ks" else rows * psi, p_value),
            "js": MethodValue(psi / 8),
        },
        effect=max(ks - 0.01, 0.0),
        size=size,
        reason="too_few_rows" if state == "inconclusive" else "",
        cells=cells,
        was=p,
        now=q,
        missing_was=0.004,
        missing_now=missing,
    )


def edges(low: float, high: float, cells: int = 12) -> tuple[F64, tuple[str, ...]]:
    """Return bounds between cells, and the names of the cells."""
    inner = np.linspace(low, high, cells - 1)
    names = [f"{a:.4g} – {b:.4g}" for a, b in pairwise(inner)]
    return inner, (f"< {inner[0]:.4g}", *names, f"≥ {inner[-1]:.4g}")


def normal_cells(inner: F64, mean: float, sd: float) -> F64:
    """Return the share of each cell under a normal distribution."""
    below = np.array([0.5 * (1 + math.erf((edge - mean) / sd / math.sqrt(2))) for edge in inner])
    return np.diff(np.concatenate([[0.0], below, [1.0]])) + 1e-6


TEMPERATURE = [40, 52, 62, 73, 80, 75, 68, 60, 45, 39]
LATE = [0.21, 0.26, 0.24, 0.31, 0.315, 0.24, 0.15, 0.16, 0.17, 0.33]
SAID = [0.22, 0.18, 0.15, 0.14, 0.135, 0.14, 0.15, 0.17, 0.21, 0.23]
CARRIERS = ("UA", "B6", "EV", "DL", "AA", "MQ", "US", "9E", "WN", "VX", "FL", "AS", "F9", "other")


def flight_window(window: Window, rows: int, closed: bool, coverage: float | None) -> Evaluation:
    """One window of the flights: winter's model, the year's weather."""
    when = datetime.fromtimestamp(window.start // 10**9, UTC)
    month, rng = min(max(when.month - 3, 0), 9), np.random.default_rng(window.start // 10**9)
    features: dict[str, ColumnDrift] = {}
    for name, low, high, was, now, sd in (
        ("temp", 15.0, 95.0, 36.0, TEMPERATURE[month] + rng.normal(), 9.0),
        ("dewp", 0.0, 75.0, 22.0, TEMPERATURE[month] - 16 + rng.normal(), 11.0),
        ("humid", 15.0, 100.0, 60.0, 60.0 + rng.normal(), 18.0),
        ("wind_speed", 0.0, 35.0, 11.0, 10.5 - 0.2 * month, 5.0),
        ("pressure", 990.0, 1035.0, 1018.0, 1017.0 - 0.3 * rng.random(), 7.0),
        ("distance", 100.0, 2600.0, 1020.0, 1040.0, 720.0),
        ("minute_of_departure", 300.0, 1380.0, 800.0, 806.0, 280.0),
    ):
        inner, cells = edges(low, high)
        features[name] = column(
            name, normal_cells(inner, was, sd), normal_cells(inner, now, sd), rows, cells, missing=0.02
        )
    usual = np.array([18, 17, 16, 15, 10, 8, 6, 5, 3, 1.5, 1, 0.3, 0.2, 0.1])
    features["carrier"] = column("carrier", usual, usual * (1 + 0.03 * rng.normal(size=14)), rows, CARRIERS, "chi2")
    three = np.array([35.0, 33, 32])
    features["origin"] = column("origin", three, three + rng.normal(size=3) * 0.4, rows, ("EWR", "JFK", "LGA"), "chi2")
    inner, cells = edges(0.0, 0.6)
    said, late = SAID[month], LATE[month]
    score = column("late", normal_cells(inner, 0.22, 0.09), normal_cells(inner, said, 0.08), rows, cells, kind="score")
    predicted = column(
        "class",
        np.array([0.97, 0.03]),
        np.array([0.99 - said / 20, 0.01 + said / 20]),
        rows,
        ("0", "1"),
        "chi2",
        "class",
    )
    drifted = sum(feature.state == "drift" for feature in features.values())
    known = int(rows * coverage) if coverage else 0
    realized = {}
    if known:
        loss = -(late * math.log(said) + (1 - late) * math.log(1 - said)) + 0.005 * rng.normal()
        realized = {
            "accuracy": MetricValue(round(1 - late, 4), known, "panes"),
            "log_loss": MetricValue(loss, known, "panes"),
            "log_loss_constant": MetricValue(-(late * math.log(0.21) + (1 - late) * math.log(0.79)), known, "panes"),
            "mean_score": MetricValue(said, known, "panes"),
            "actual_rate": MetricValue(late, known, "panes"),
            "roc_auc": MetricValue(0.655 + 0.01 * rng.normal(), known, "panes", 5e-5),
            "brier": MetricValue(late * 0.6, known, "panes"),
            "precision": MetricValue(None if month == 5 else 0.4, known, "panes"),
        }
    return Evaluation(
        key=ModelKey("flights", "winter", "demo"),
        window=window,
        rows=rows,
        closed=closed,
        features=features,
        score=score,
        predicted=predicted,
        fraction=drifted / len(features),
        realized=realized,
        reference={
            "accuracy": MetricValue(0.79, 10_000, "panes"),
            "log_loss": MetricValue(0.5, 10_000, "panes"),
            "roc_auc": MetricValue(0.661, 10_000, "panes"),
            "brier": MetricValue(0.16, 10_000, "panes"),
        },
        outcome_rows=known,
        coverage=known / rows if rows else None,
    )


def with_curves(evaluation: Evaluation) -> Evaluation:
    """Give a window of flights the curves of as many scores: an area of .75, and too high by a half."""
    rng = np.random.default_rng(6)
    truth = rng.random(evaluation.outcome_rows) < 0.2
    score = 1 / (1 + np.exp(-rng.normal(np.where(truth, -0.2, -1.3), 1.15)))
    task = Task("binary", ("0", "1"), "1", 0.5)
    pane = fold_outcomes(task, score[:, np.newaxis], None, Column(numbers=truth.astype(float)))
    metrics = realized(pane, task)
    told = {name: metrics[name] for name in ("recall", "precision", "specificity", "actual_rate")}
    evaluation.realized |= told
    evaluation.curves, evaluation.confusion = curves(pane, task), confused(pane, task)
    return evaluation


Own = TypeVar("Own", ModelView, Evaluation)


def flights() -> ModelView:
    """Ten months of flights; the days from March on, the last of each open. A test may change the model and windows.

    What it holds is frozen, and the same for all tests.
    """
    model = _with_own(_flights())
    model.windows = {name: [_with_own(one) for one in windows] for name, windows in model.windows.items()}
    return model


def _with_own(one: Own) -> Own:
    """Copy it, with dictionaries, lists and arrays of its own."""
    own = copy(one)
    names = own.__struct_fields__ if isinstance(own, Evaluation) else [one.name for one in fields(own)]
    for name in names:
        if isinstance(held := getattr(own, name), dict | list | np.ndarray):
            setattr(own, name, held.copy())
    return own


@cache
def _flights() -> ModelView:
    """Make them once: a thousand tests ask for them."""
    months = [
        flight_window(window, 5200 + 37 * place, window.end <= NOW, 0.96 if place != 3 else 0.62)
        for place, window in enumerate(windows_over("1mo", ns(2013, 3, 1), ns(2014, 1, 1), "UTC"))
    ]
    days = [
        flight_window(window, 150 + 7 * (place % 7) if place % 30 != 11 else 31, True, 0.97 if place % 19 else None)
        for place, window in enumerate(windows_over("1d", ns(2013, 9, 1), ns(2014, 1, 1), "UTC"))
        if place % 41 != 17
    ]
    days.append(flight_window(Window("1d", ns(2014, 1, 1), ns(2014, 1, 2)), 64, False, 0.3))
    with_curves(months[-2])
    buckets = np.zeros(len(DURATION_BOUNDS) + 2)
    buckets[3:7], buckets[-1] = [30_000.0, 20_000.0, 5_000.0, 1_965.0], 120.5
    return ModelView(
        verdict=verdict_of_model([*days, *months]),
        key=ModelKey("flights", "winter", "demo"),
        task=Task("binary", ("0", "1"), "1", 0.5),
        rows=56_965,
        first=ns(2013, 3, 1, 5),
        last=NOW - 42 * 10**9,
        received=NOW - 10**9,
        by_class={"0": 56_000.0, "1": 965.0},
        duration=buckets,
        outcomes=54_800,
        pending=12,
        baseline=BaselineView("event", "ab" * 16, 10_000, tuple(months[0].features)),
        watermark=NOW - 300 * 10**9,
        windows={"1d": days, "1mo": months},
    )


def learning() -> ModelView:
    """A model whose first rows have just arrived: one open window, no baseline yet."""
    window = Window("1h", ns(2014, 1, 1, 9), ns(2014, 1, 1, 10))
    nothing = ColumnDrift("feature", "age", "no_baseline", "", 10, {})
    return ModelView(
        key=ModelKey("churn"),
        task=Task("binary", ("0", "1"), "1"),
        rows=10,
        first=NOW - 60 * 10**9,
        last=NOW - 5 * 10**9,
        received=NOW - 5 * 10**9,
        by_class={"1": 4.0, "0": 6.0},
        baseline=BaselineView("provisional", "", 10, ("age",), learned=10, needed=1000),
        watermark=NOW - 5 * 10**9,
        windows={"1h": [Evaluation(ModelKey("churn"), window, 10, False, {"age": nothing})], "1d": []},
        hints=(
            "Learning a baseline: 10 of 1,000 rows have arrived; to start at once, send one (Baseline.from_frame).",
            "No outcome has arrived; send driftline.Model('churn').outcome(id, actual=...) or POST /v1/outcomes.",
        ),
    )


def fraud() -> ModelView:
    """A model with missing and new features, and no outcomes."""
    key = ModelKey("fraud", "v7", "prod")
    inner, cells = edges(0, 500)
    hours = list(windows_over("1h", ns(2013, 12, 31, 21), ns(2014, 1, 1, 10), "UTC"))
    known = []
    for place, window in enumerate(hours):
        amount = column("amount", normal_cells(inner, 80, 60), normal_cells(inner, 80, 60 + place), 900, cells)
        blind = ColumnDrift("feature", "merchant_id", "inconclusive", "chi2", 900, {"chi2": MethodValue(None)})
        known.append(
            Evaluation(
                key,
                window,
                900 + 40 * place,
                window.end < NOW,
                {"amount": amount, "merchant_id": blind},
                fraction=0.0,
                missing_features=("card_age", "country", "velocity_1h"),
                new_features=("device",),
            )
        )
    return ModelView(
        verdict=verdict_of_model(known),
        key=key,
        task=Task("binary", ("0", "1"), "1", 0.9),
        rows=15_000,
        first=ns(2013, 12, 31, 21),
        last=NOW - 10**9,
        received=NOW - 10**9,
        by_class={"0": 14_990.0, "1": 10.0},
        baseline=BaselineView("config", "cd" * 16, 200_000, ("amount", "merchant_id", "card_age", "country")),
        windows={"1h": known},
        hints=(
            "1 January 2014, 08:00 to 09:00: 2 of 5 baseline features arrived; "
            "missing: card_age, country, velocity_1h; new: device.",
        ),
    )


def animals() -> ModelView:
    """A multiclass model of two versions' newer one."""
    key = ModelKey("animals", "2", "")
    classes = ("cat", "dog", "bird")
    window = Window("1d", ns(2013, 12, 31), ns(2014, 1, 1))
    shares = np.array([0.5, 0.3, 0.2])
    predicted = column("class", shares, np.array([0.3, 0.3, 0.4]), 4000, classes, "chi2", "class")
    evaluation = Evaluation(
        key,
        window,
        4000,
        True,
        predicted=predicted,
        realized={"accuracy": MetricValue(0.91, 400, "panes"), "log_loss": MetricValue(0.3, 400, "panes")},
        outcome_rows=400,
        coverage=0.1,
        confusion=np.array([[190.0, 8, 2], [10, 105, 5], [6, 5, 69]]),
    )
    return ModelView(
        key, Task("multiclass", classes), 4000, window.start, window.end - 1, NOW, windows={"1d": [evaluation]}
    )


def price() -> ModelView:
    """A regression with too few rows to compare."""
    key = ModelKey("price", "", "eu")
    inner, cells = edges(100, 900)
    window = Window("1d", ns(2013, 12, 31), ns(2014, 1, 1))
    area = column("area", normal_cells(inner, 400, 100), normal_cells(inner, 500, 100), 12, cells)
    evaluation = Evaluation(
        key,
        window,
        12,
        True,
        {"area": area},
        realized={
            "mae": MetricValue(21_000.0, 12, "rows"),
            "rmse": MetricValue(30_100.0, 12, "rows"),
            "r2": MetricValue(0.71, 12, "rows"),
        },
        outcome_rows=12,
        coverage=1.0,
    )
    return ModelView(
        key, Task("regression"), 12, window.start, window.end - 1, NOW, outcomes=12, windows={"1d": [evaluation]}
    )


RIGHT_TO_LEFT = "סיכון אשראי"
"""The name of a model that is written from right to left."""

RIGHT_TO_LEFT_FEATURE = "גיל הלקוח"
"""The name of a feature of that model."""


def right_to_left() -> ModelView:
    """A model whose name and features are written from right to left, with drift and with missing features."""
    model = fraud()
    model.pending = 3
    key = replace(model.key, model=RIGHT_TO_LEFT)
    for evaluation in model.windows["1h"]:
        evaluation.key = key
        amount = evaluation.features.pop("amount")
        evaluation.features[RIGHT_TO_LEFT_FEATURE] = structs.replace(
            amount, name=RIGHT_TO_LEFT_FEATURE, missing_was=0.01, missing_now=0.2
        )
    return structs.replace(model, key=key, verdict=verdict_of_model(model.windows["1h"]))


def many() -> FakeView:
    """All of them."""
    return FakeView(
        [flights(), fraud(), animals(), price(), learning()],
        {
            ("driftline.received.requests", (("driftline.signal", "logs"),)): 114.0,
            ("driftline.received.rows", (("driftline.signal", "logs"),)): 56_965.0,
            ("driftline.pending.outcomes", ()): 12.0,
        },
    )


@pytest.fixture
def model() -> ModelView:
    """Return the model of flights."""
    return flights()


@pytest.fixture
def browse() -> Browse:
    """Open the pages of a view."""
    return lambda view: TestClient(app_of(view))


@pytest.fixture
def served() -> Iterator[tuple[FakeView, str]]:
    """Return a view that the test may change, and the address of its pages."""
    view = many()
    with serve(app_of(view)) as url:
        yield view, url
