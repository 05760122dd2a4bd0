"""Rows and tables from the JSON of the API: folded, sorted, filtered, drawn at several widths."""

from __future__ import annotations

import io
from typing import Any

import httpx
import pytest
from driftline.tables.table import ModelKey
from driftline_processor.core.evaluation import Verdict, VerdictState
from driftline_processor.ingest.completeness import Balance
from driftline_processor.queries.model_view import ModelView
from driftline_processor.terminal.api_tables import (
    cells_of,
    fetch_models,
    filter_models,
    fold_models,
    models_table,
    sort_models,
)
from msgspec.structs import replace
from rich.console import Console
from rich.table import Table
from starlette.testclient import TestClient

from tests.support.fake_view import NOW, FakeView, animals, app_of, flights, fraud, many, price


def document(path: str, view: FakeView | None = None) -> Any:
    return TestClient(app_of(view or many())).get(path).json()


def drawn(table: Table, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_the_models_fit_eighty_columns() -> None:
    assert drawn(models_table(document("/api/v1/models"), 80, NOW), 80) == [
        "model            state   rows      drifted pred → act performance    known",
        "flights winter … at risk  57k          2/9  23 → 33 % log loss 0.650  96 %",
        "fraud v7 prod    unknown  15k          1/1          – –                  –",
        "animals 2        –       4.0k            –          – log loss 0.300  10 %",
        "price eu         –         12 too few rows          – MAE 21,000     100 %",
        "churn            –         10            –          – –                  –",
    ]


def test_rows_that_did_not_arrive_are_shown_where_some_did_not() -> None:
    lost, complete = price(), fraud()
    view = FakeView(
        [replace(lost, balance=Balance(90.0, 120.0, 0, 1)), replace(complete, balance=Balance(99.0, 100.0, 0, 1))]
    )
    rows = drawn(models_table(document("/api/v1/models", view), 80, NOW), 80)
    assert rows[1].startswith("fraud v7 prod unknown       15k          1/1")
    assert rows[2].startswith("price eu      –       12 (75 %) too few rows")


def test_a_wide_terminal_shows_traffic_the_window_and_more_metrics() -> None:
    header, flights, fraud, *_ = drawn(models_table(document("/api/v1/models"), 170, NOW), 170)
    assert header == (
        "model               state   traffic      rows last    window                       drifted    PSI pred → act "
        "performance                                           known"
    )
    assert flights == (
        "flights winter demo at risk ██████████    57k now     2013-12                          2/9 0.0385  23 → 33 % "
        "log loss 0.650 (0.673), ROC AUC 0.636, accuracy 0.670  96 %"
    )
    assert "▅▆▆▆▆▇▇▇▇███  15k now     2014-01-01 07:00" in fraud


def judged(view: ModelView, state: VerdictState, version: str = "", environment: str = "", rows: int = 10) -> ModelView:
    verdict = Verdict(state, None, "mae", 9.0, 5.0, 13.0)
    return replace(view, key=ModelKey(view.key.model, version, environment), verdict=verdict, rows=rows)


def test_versions_and_environments_are_one_row_and_the_worst_of_those_in_use_stands_for_it() -> None:
    known = [
        judged(flights(), "healthy", "7", "eu", rows=900),
        judged(flights(), "degraded", "7", "us", rows=50),
        replace(judged(flights(), "no_data", "6", "us", rows=9_000), in_use=False),
        judged(price(), "unknown", "1", "eu", rows=40),
    ]
    first, second = fold_models(document("/api/v1/models", FakeView(known)))
    assert (first.name, first.label, first.state, first.rows) == (
        "flights",
        "flights (2 environments)",
        "degraded",
        950,
    )
    assert [(part["version"], part["environment"]) for part in first.parts] == [("7", "us"), ("7", "eu"), ("6", "us")]
    assert (second.label, second.state) == ("price 1 eu", "unknown")


def test_a_row_says_how_many_versions_it_folds() -> None:
    known = [judged(flights(), "healthy", version) for version in ("1", "2", "3")]
    (row,) = fold_models(document("/api/v1/models", FakeView(known)))
    assert row.label == "flights (3 versions)"


def test_rows_are_sorted_by_need_name_traffic_and_performance() -> None:
    known = [
        judged(flights(), "healthy", rows=5),
        judged(price(), "degraded", rows=70),
        judged(animals(), "at_risk", rows=60),
        judged(fraud(), "no_data", rows=900),
    ]
    rows = fold_models(document("/api/v1/models", FakeView(known)))
    names = {by: [row.name for row in sort_models(rows, by)] for by in ("need", "name", "traffic", "performance")}
    assert names == {
        "need": ["price", "fraud", "animals", "flights"],
        "name": ["animals", "flights", "fraud", "price"],
        "traffic": ["fraud", "price", "animals", "flights"],
        "performance": ["flights", "animals", "price", "fraud"],  # log loss 0.65, 0.3; MAE; nothing known
    }


def test_rows_are_filtered_by_the_words_of_names_versions_and_states() -> None:
    known = [judged(flights(), "at_risk", "7", "eu"), judged(price(), "healthy", "7", "us")]
    rows = fold_models(document("/api/v1/models", FakeView(known)))

    def found(text: str = "", state: str = "") -> list[str]:
        return [row.name for row in filter_models(rows, text, state)]

    assert found() == ["flights", "price"]
    assert found("FLI eu") == ["flights"]
    assert found("at risk") == ["flights"]
    assert found("7", "healthy") == ["price"]
    assert found("eu", "healthy") == []


def test_names_from_elsewhere_are_text_without_control_characters() -> None:
    hostile = replace(flights(), key=ModelKey("x\x1b[2J[red]y", "[/bold]", ""))
    (row,) = fold_models(document("/api/v1/models", FakeView([hostile])))
    cell = cells_of(row, 80, NOW)["model"]
    assert (cell.plain, cell.spans) == ("x·[2J[red]y [/bold]", [])


def test_a_processor_that_names_no_verdict_of_all_versions_shows_the_one_of_the_worst() -> None:
    answer = document(
        "/api/v1/models", FakeView([judged(flights(), "healthy", "1"), judged(flights(), "degraded", "2")])
    )
    del answer["verdicts"]
    assert fold_models(answer)[0].state == "degraded"


def test_pages_of_models_are_one_document_and_lead_nowhere_else() -> None:
    first = {"models": [{"rows": 1}], "verdicts": {"a": 1}, "total": 2, "next": "/api/v1/models?cursor=a"}
    last = {"models": [{"rows": 9}], "verdicts": {"b": 2}, "total": 2, "next": None}
    answers = {"/api/v1/models?limit=1000": first, "/api/v1/models?cursor=a": last}

    def get(path: str) -> httpx.Response:
        return httpx.Response(200, json=answers[path], request=httpx.Request("GET", "http://driftline"))

    found = fetch_models(get)
    assert (found["models"], found["verdicts"]) == ([{"rows": 9}, {"rows": 1}], {"a": 1, "b": 2})
    for next_one in ("http://elsewhere.example.com/api/v1/models?", "/api/v1/models?cursor=a", 7):
        answers["/api/v1/models?cursor=a"] = {**last, "next": next_one}
        with pytest.raises(ValueError, match="not a list of models"):
            fetch_models(get)
