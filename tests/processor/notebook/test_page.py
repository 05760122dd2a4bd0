"""A report as HTML: the verdict first, escaped, scoped, without scripts, and small whatever it holds."""

from __future__ import annotations

import json
import re
import sys
from html.parser import HTMLParser

import driftline
import numpy as np
import pandas as pd
import pytest
from driftline_processor.present.numbers import ends
from driftline_processor.present.wording import keep_units


def html_of(report: driftline.EvaluationReport) -> str:
    shown: str = report._repr_html_()  # type: ignore[attr-defined]
    return shown


class _Texts(HTMLParser):
    """The tags of a page, and its texts in order."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, _attributes: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        if data.strip() and self.tags[-1] != "style":
            self.texts.append(data.strip())


def read(page: str) -> _Texts:
    parser = _Texts()
    parser.feed(page)
    return parser


@pytest.fixture(scope="module")
def report(week: pd.DataFrame, reference: pd.DataFrame) -> driftline.EvaluationReport:
    return driftline.evaluate(week, reference, task="binary", actual="actual", time="time", model="churn")


def test_the_verdict_comes_first_then_what_to_do(report: driftline.EvaluationReport) -> None:
    texts = read(html_of(report)).texts
    verdict = report.verdict
    lines = [("Evidence", verdict.evidence), ("Cause", verdict.cause), ("Do", verdict.action)]
    lines += [("Confidence", verdict.certainty)]
    said = [verdict.headline, *(part for title, words in lines if words for part in (title, words))]
    assert texts[: len(said)] == list(map(keep_units, said))
    assert {"Evidence", "Do", "Confidence"} <= {*said}
    assert texts[len(said)].startswith("churn · 2 February 2026")


def test_drift_and_performance_are_drawn_with_their_numbers(report: driftline.EvaluationReport) -> None:
    page = html_of(report)
    texts = read(page).texts
    assert "1 of 3 features drifts" in texts
    assert texts.index("region") > texts.index("1 of 3 features drifts")
    assert page.count('<svg class="mini"') == 6  # four features, the score and the predicted class
    auc = report.windows[0]["performance"]["realized"]["roc_auc"]
    assert ends(auc["low"], auc["high"]) in texts
    assert page.count('<svg class="interval-line"') == page.count('class="dot"')


def test_names_are_texts_and_never_markup(reference: pd.DataFrame, week: pd.DataFrame) -> None:
    names = {"age": "<script>alert(1)</script>", "region": '"><img src=x onerror=alert(1)>'}
    values = {"north": "</svg><script>", "south": "a&b"}
    before, after = (one.replace({"region": values}).rename(columns=names) for one in (reference, week))
    page = html_of(driftline.evaluate(after, before, task="binary", actual="actual", model="<b>m</b>"))

    parsed = read(page)
    assert not {"script", "img", "b"} & set(parsed.tags)
    assert "<script>alert(1)</script>" in parsed.texts
    assert any(text.startswith("<b>m</b> · ") for text in parsed.texts)


def test_the_page_is_one_element_with_rules_for_itself_only(report: driftline.EvaluationReport) -> None:
    page = html_of(report)
    assert page.startswith('<div class="driftline-report" id="driftline-')
    assert page.endswith("</div>")
    style = page.partition("<style>")[2].partition("</style>")[0]
    rules = re.findall(r"([^{}]+)\{", style)
    assert [rule for rule in rules if "driftline-" not in rule and not rule.strip().startswith("@media")] == []
    assert not re.search(r"https?:|url\((?!#)|javascript:| on\w+=", page)


def test_the_same_report_has_the_same_page(report: driftline.EvaluationReport) -> None:
    assert html_of(report) == html_of(report)


@pytest.mark.slow
def test_two_hundred_features_are_a_small_page() -> None:
    random = np.random.default_rng(0)
    before, after = (
        pd.DataFrame(random.normal(shift, 1, (1_000, 200)), columns=[f"feature_{at}" for at in range(200)])
        for shift in (0, 1)
    )
    page = html_of(driftline.evaluate(after, before))
    assert len(page.encode()) < 100_000
    assert page.count('<svg class="mini"') == 10
    assert "190 more features" in read(page).texts


@pytest.mark.slow
def test_several_windows_are_a_table_of_their_verdicts(week: pd.DataFrame, reference: pd.DataFrame) -> None:
    page = html_of(driftline.evaluate(week, reference, task="binary", actual="actual", time="time", window="1d"))
    texts = read(page).texts
    headings = ["window", "rows", "outcomes", "verdict", "drift"]
    assert texts[texts.index("Windows") :][:7] == ["Windows", *headings, "2026-02-02"]


def test_rows_without_outcomes_show_what_is_estimated(week: pd.DataFrame, reference: pd.DataFrame) -> None:
    page = html_of(driftline.evaluate(week.drop(columns="actual"), reference, task="binary", actual="actual"))
    assert "Estimated performance" in read(page).texts


def test_notes_on_how_rows_were_read_are_folded(week: pd.DataFrame, reference: pd.DataFrame) -> None:
    report = driftline.evaluate(week, reference)
    texts = read(html_of(report)).texts
    assert texts[-len(report.notes) :] == list(report.notes)
    assert f"{len(report.notes) + 1} notes on how the rows were read" in texts


def test_the_file_to_send_is_a_whole_document(report: driftline.EvaluationReport) -> None:
    document = report.to_html()
    assert document.startswith("<!doctype html>")
    assert "income" in document


@pytest.mark.parametrize("installed", [True, False])
def test_the_call_of_a_figure_is_shown_if_it_can_be_drawn(
    report: driftline.EvaluationReport, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    if not installed:
        monkeypatch.setitem(sys.modules, "plotly", None)
    assert (".figure('region')" in read(html_of(report)).texts) is installed


def test_text_begins_with_the_verdict(report: driftline.EvaluationReport) -> None:
    assert repr(report) == f"{report.verdict.headline}\n{report.verdict.action}\n(churn, 3,000 rows)"


def test_the_text_of_windows_is_short_and_their_values_are_whole(report: driftline.EvaluationReport) -> None:
    windows, whole = report.windows, report.to_dict()["windows"]
    assert list(windows) == whole
    assert json.loads(json.dumps(windows)) == whole
    assert len(repr(whole)) > 10_000
    assert max(len(repr(shown)) for shown in (windows, windows[0], windows[-1], report.notes)) <= 1000
    assert repr(windows[-1]).startswith("{")
    assert report.windows is windows  # not copied at each access: a loop over the windows reads it many times
