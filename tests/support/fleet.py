"""A fleet of models for scorecards and reviews: names that attack, tiers, owners, money, decisions, nothing at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from driftline_processor.governance.decisions import DecisionStore
from driftline_processor.queries.model_view import ModelView
from driftline_processor.store.audit_log import AuditLog
from driftline_processor.store.database import Store
from msgspec import structs
from starlette.applications import Starlette

from tests.support.fake_view import NOW, FakeView, animals, app_of, flights, fraud, learning, price
from tests.support.money_windows import of_money

HOSTILE = (
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "late\u202eflights",
    "=1+1",
    "\"quoted\" & 'single'",
    "x" * 500,
)
"""Names of models as nobody wants them."""

TEAMS = ("payments", "<b>ads</b>", "", "risk")
_KINDS = (flights, fraud, animals, price, learning)


def fleet(models: int) -> list[ModelView]:
    """Return so many models: of each kind some, a third of them with money."""
    names = [*HOSTILE, *(f"model-{at:03d}" for at in range(models))][:models]
    return [_model(name, at) for at, name in enumerate(names)]


def _model(name: str, at: int) -> ModelView:
    made = _KINDS[at % len(_KINDS)]()
    tier = (1, 2, 3, None)[at % 4]
    view = structs.replace(made, key=replace(made.key, model=name), team=TEAMS[at % 4], tier=tier, currency="EUR")
    for windows in view.windows.values() if at % 3 == 0 else ():
        for one in windows:
            one.realized["cost_per_prediction"] = of_money(1.5, 1.4, 1.6)
            one.reference["cost_per_prediction"] = of_money(1.2, 1.1, 1.3)
    return view


@contextmanager
def governed(folder: Path, known: Sequence[ModelView]) -> Iterator[tuple[Starlette, DecisionStore]]:
    """Make the pages of a fleet until the block ends, with a store for decisions; yields both."""
    store = Store(folder)
    try:
        log = AuditLog(store, clock=lambda: NOW - 86_400 * 10**9)
        decided = DecisionStore(store.connect(lasting=True), store.unreadable, log)
        yield app_of(FakeView([*known], decisions=decided, audit_log=log)), decided
    finally:
        store.close()
