"""Facts laid out once: what each surface shows of them, and that another process reads them back."""

from __future__ import annotations

import pytest
from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.core.evaluation import Evaluation, Verdict
from driftline_processor.present.sections import sections_of, sections_of_windows
from driftline_processor.present.sections.concept import concept, concept_sentence
from driftline_processor.present.sections.section import PAGE, Line, Section, Table
from driftline_processor.present.sections.windows import windows
from driftline_processor.queries.model_view import ModelView
from driftline_processor.terminal.model_view import decode_sections
from msgspec.structs import replace
from starlette.testclient import TestClient

from tests.support.fake_view import app_of, flights, fraud, many, price

TERMINAL = frozenset({"terminal", "all"})


def table_of(section: Section | None) -> Table:
    assert section is not None
    return next(part for part in section.parts if isinstance(part, Table))


def rows_of(evaluations: list[Evaluation]) -> list[dict[str, tuple[str, str, str]]]:
    """Return the text, tone and note of the cells of each window, by the title of their column."""
    table = table_of(windows(evaluations).on_surface(TERMINAL))
    titles = [column.title for column in table.columns]
    return [
        {title: (cell.text, cell.tone, cell.note) for title, cell in zip(titles, row.cells, strict=True)}
        for row in table.rows
    ]


def windows_of(model: ModelView, length: str) -> list[Evaluation]:
    return list(model.windows[length])


def test_a_month_shows_the_rate_that_came_true_and_the_loss_of_a_constant_that_is_better() -> None:
    july = rows_of(windows_of(flights(), "1mo"))[4]
    assert [july[title][0] for title in ("window", "rows", "outcomes", "drifted")] == [
        "2013-07",
        "5,348",
        "96 %",
        "3 of 9",
    ]
    assert july["predicted → actual rate"][0] == "13.5 → 31.5 %"
    assert july["log loss"] == ("0.723", "bad", "(0.653)")
    assert july["ROC AUC"][0] == "0.655"


def test_windows_of_a_regression_show_its_errors() -> None:
    first = rows_of(windows_of(price(), "1d"))[0]
    assert [first[title][0] for title in ("drifted", "MAE", "RMSE", "R²")] == [
        "too few rows",
        "21,000",
        "30,100",
        "0.710",
    ]


def test_windows_without_outcomes_have_no_metric_and_no_zero() -> None:
    newest = rows_of(windows_of(fraud(), "1h"))[-1]
    assert newest["window"][0].endswith("(open)")
    assert newest["outcomes"][0] == "–"
    assert "log loss" not in newest


def test_a_surface_shows_the_columns_and_rows_that_are_meant_for_it() -> None:
    month = windows_of(flights(), "1mo")[-2]
    shown = {
        name: [section.key for section in sections_of(month, "UTC", surfaces)]
        for name, surfaces in (("page", PAGE), ("terminal", TERMINAL))
    }
    assert shown == {"page": ["performance"], "terminal": ["performance", "columns"]}
    page, terminal = (table_of(next(iter(sections_of(month, "UTC", one)))) for one in (PAGE, {"terminal"}))
    assert [column.title for column in page.columns][-1] == "from"
    assert [column.title for column in terminal.columns] == ["metric", "value", "interval", "baseline"]
    assert (page.hidden, terminal.hidden) == (0, len(page.rows) - len(terminal.rows))


def test_sections_of_no_window_are_none() -> None:
    assert list(sections_of_windows([], "UTC", TERMINAL)) == []


def test_another_process_reads_the_sections_of_a_model() -> None:
    answer = TestClient(app_of(many())).get("/api/v1/models/flights/sections?window=1mo")
    read = decode_sections(answer.content)
    assert (read.model, read.window) == ("flights", "1mo")
    assert [section.key for section in read.sections][-1] == "windows"


RISE = ConceptDrift("drift", outcomes=900, before=0.2, after=0.3, since=1_372_636_800 * 10**9)
"""Errors that rose."""


@pytest.mark.parametrize(
    ("verdict", "name", "since"),
    [
        (None, "concept drift", " since 1 July 2013"),
        (Verdict("healthy", 5), "concept drift", " since 1 July 2013"),
        (Verdict("degraded", 5, kind="concept_change"), "concept drift", ""),
        (Verdict("degraded", 5, kind="data_fault"), "errors", ""),
        (Verdict("degraded", 5, kind="concept_change", cause_kind="output_fault"), "errors", ""),
    ],
)
def test_a_rise_of_errors_is_concept_drift_without_a_fault_and_has_no_begin_beside_that_of_the_verdict(
    verdict: Verdict | None, name: str, since: str
) -> None:
    words = f"{name}: in the order of the outcomes, the error rate rose from 20 % to 30 %{since}"
    (line,) = concept(RISE, verdict=verdict).parts
    assert isinstance(line, Line)
    assert line.text == f"{words}."


def test_a_slice_has_no_begin_beside_that_of_the_verdict() -> None:
    drift = replace(RISE, slices={"country=DE": RISE})
    verdict = Verdict("degraded", 5)
    assert concept_sentence(drift, str, verdict=verdict).endswith("; in country=DE it rose from 20 % to 30 %")
