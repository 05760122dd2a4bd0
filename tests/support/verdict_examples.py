"""The verdicts that the page about verdicts shows as examples."""

from __future__ import annotations

from typing import Any

from driftline_processor.core.evaluation import Cause, Change, Evaluation, Finding, ServiceLevel, Verdict
from driftline_processor.core.verdict.context import NO_CONTEXT, VerdictContext
from driftline_processor.core.verdict.reading import read_window
from driftline_processor.core.verdict.traffic import Traffic
from driftline_processor.core.verdict.window import verdict_of
from driftline_processor.core.windows.window import HOUR
from msgspec.structs import replace

from tests.support.paths import ROOT
from tests.support.verdict_windows import (
    DAY,
    JULY,
    MAY_COME,
    change,
    column,
    explained,
    known,
    right,
    value,
    verdict_of_model,
    window,
    wrong,
)


def verdict_of_window(evaluation: Evaluation, context: VerdictContext = NO_CONTEXT) -> Verdict:
    """Return the verdict that a window shows by itself."""
    reading = read_window(evaluation, context)
    since = reading.since()
    return verdict_of(reading, since, alone=since == reading.start)


PAGE = ROOT / "docs/reference/verdict.md"
BASE = {"log_loss": value(0.49), "roc_auc": value(0.69), "accuracy": value(0.78)}
HOT = Finding(
    "out_of_range",
    ("temp",),
    "critical",
    0.0024,
    0.998,
    1e-12,
    12.92,
    55.04,
    "above",
)
HUMID = Cause(("humid",), "", 0.4, (Change("values of 85 or more", 0.26, 0.12),))
MOVED: dict[str, Any] = {
    "features": {"temp": column(), "humid": column(name="humid")},
    "findings": (HOT,),
    "explanation": explained(
        Cause(("temp",), "out_of_range", 1.0, finding=HOT), HUMID, replace(HUMID, features=("dewp",))
    ),
}
LATE = {
    "log_loss": value(0.76, 0.66, 0.87),
    "log_loss_constant": value(0.7),
    "mean_score": value(0.14, 0.13, 0.15),
    "actual_rate": value(0.36, 0.28, 0.45),
}
BESIDE = change("worse", 0.06, 0.02, 0.1)
CALLS = value(0.0815, 0.073, 0.09)
FEW = value(0.58, 0.41, 0.8)
WORSE = {"log_loss": change("worse", 0.2, 0.17, 0.23), "roc_auc": change("worse", -0.1, -0.12, -0.08)}
WORSE_NOW = {"log_loss": value(0.69, 0.66, 0.72), "roc_auc": value(0.6, 0.58, 0.62)}
UNSURE = {"log_loss": change("inconclusive", 0.09, -0.08, 0.31, reason="too_few_rows")}


def said(*windows: Evaluation, traffic: Traffic | None = None) -> Verdict:
    return verdict_of_model(windows, traffic)


def examples() -> list[tuple[str, Verdict]]:
    """Return what is the case, and the verdict on it."""
    silent = Traffic(JULY + 3 * DAY, silent_since=JULY + 2 * DAY + 9 * HOUR, pause=2 * HOUR)
    behind = Traffic(JULY + 2 * DAY, waiting=12, waiting_since=JULY + DAY + 20 * HOUR)
    failing = ServiceLevel(4_000, 326, {"TimeoutError": 300}, {"error_rate": CALLS})
    return [
        ("nothing shifted, the outcomes are good", said(right())),
        ("inputs drifted, the outcomes are good", said(right(**MOVED))),
        ("its scores are too low", said(known(realized=LATE, constant_comparison=BESIDE, reference=BASE, **MOVED))),
        ("only the outcomes are bad", said(wrong(clear=True, features={"temp": column("ok", "")}))),
        (
            "its errors rose, and it ranks worse",
            said(known(changes=WORSE, realized=WORSE_NOW, **MOVED)),
        ),
        ("calls fail", said(right(service=failing))),
        ("inputs drifted, no outcomes", said(window(reference=BASE, **MOVED))),
        ("nothing shifted, no outcomes", said(window(reference=BASE))),
        ("few outcomes", said(known(changes=UNSURE, realized={"log_loss": FEW}, outcome_rows=120, coverage=0.024))),
        ("outcomes may still come", said(window(young=True, maturity="immature", immature=MAY_COME))),
        ("no prediction comes", said(right(), right(1), traffic=silent)),
        ("windows wait", said(right(), traffic=behind)),
    ]
