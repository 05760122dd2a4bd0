"""What a person sees: ranked by what matters, drawn, and told in one sentence, on any terminal."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from driftline.tables.table import ModelKey
from driftline_processor.core import facts
from driftline_processor.core.evaluation import (
    Cause,
    ColumnDrift,
    Delay,
    Estimate,
    Evaluation,
    Explanation,
    Finding,
    MethodValue,
    MetricChange,
    MetricValue,
    Size,
    SlaResult,
    State,
)
from driftline_processor.core.windows.window import Window
from driftline_processor.present.sentences.findings import finding_sentence
from driftline_processor.present.states import rank
from driftline_processor.terminal.evaluation import EVERYTHING, Detail, evaluation_view, show
from rich.console import Console

DAY = 86_400 * 10**9
ESTIMATE = Estimate(0.66, 0.6, 0.7, 0.02, 0.62, 0.7, False, 970, "rows", "cbpe", 0.67)


def feature(name: str, state: State, psi: float, size: Size = "", decided_by: str = "ks") -> ColumnDrift:
    return ColumnDrift(
        "feature", name, state, decided_by, 100,
        {decided_by: MethodValue(psi * 2, 0.5), "psi": MethodValue(psi), "js": MethodValue(psi / 2)}, psi, size,
        ("a", "b", "c"), np.array([0.5, 0.5, 0.0]), np.array([0.0, 0.25, 0.75]), 0.0, 0.04,
    )  # fmt: skip


def evaluation(*features: ColumnDrift, performance: bool = True) -> Evaluation:
    found = Evaluation(
        ModelKey("churn", "3", "prod"), Window("1d", 0, DAY), 1_000, True,
        features={column.name: column for column in features},
    )  # fmt: skip
    if performance:
        found.realized = {"roc_auc": MetricValue(0.66, 970, "rows"), "log_loss": MetricValue(0.5, 970, "rows")}
        found.reference = {"roc_auc": MetricValue(0.67, 5_000, "panes", 1e-4)}
        found.outcome_rows, found.coverage = 970, 0.97
    return found


def drawn(what: Evaluation, width: int = 120, encoding: str = "utf-8", detail: Detail = EVERYTHING) -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace")
    Console(file=file, width=width, highlight=False).print(evaluation_view(what, detail=detail))
    file.flush()
    return file.buffer.getvalue().decode(encoding)


def test_features_are_ranked_by_what_matters() -> None:
    shown = evaluation(
        feature("calm", "ok", 0.01), feature("lively", "ok", 0.03), feature("unseen", "inconclusive", 0.0),
        feature("moved", "drift", 0.12, "moderate"), feature("gone", "drift", 0.4, "large"),
    )  # fmt: skip
    assert [column.name for column in rank(shown.features.values())] == ["gone", "moved", "lively", "calm", "unseen"]


def test_a_metric_says_whether_it_is_worse_than_the_baselines() -> None:
    what = evaluation(feature("a", "ok", 0.01))
    assert "than the baseline" not in drawn(what)
    what.realized_changes = {
        "roc_auc": MetricChange("worse", -0.03, -0.041, -0.019, 0.001, 0.024),
        "log_loss": MetricChange("inconclusive", 0.02, -0.05, 0.09, 0.4, 0.12, "too_few_days"),
    }
    said = drawn(what)
    assert "worse (\N{MINUS SIGN}0.041 to \N{MINUS SIGN}0.019)" in said
    assert "too few days (\N{MINUS SIGN}0.05 to +0.09)" in said


def test_what_it_is_compared_with_is_said_where_that_is_not_the_whole_baseline() -> None:
    shown = evaluation(feature("temp", "ok", 0.01))
    assert "Reference" not in drawn(shown)
    shown.compared = (facts.SameSeason(season="hour", thin=0, repeats=None),)
    lines = drawn(shown).splitlines()
    assert "the same hours" in lines[[line.rstrip() for line in lines].index("Reference") + 1]


def test_how_late_outcomes_came_is_said() -> None:
    shown = evaluation(feature("temp", "ok", 0.01))
    shown.delay = Delay(970, 3_600, 3_600, 86_400)
    shown.label_sla = SlaResult("met", 7 * DAY, 0.95, 0.97, 0.97, 1_000)
    said = " ".join(drawn(shown).split())
    assert "half" not in said
    assert re.search("90 % [^.]* 1h, 99 % [^.]* 1d.* met: 97 % [^;]* 7d; [^.]*95 %", said)


def test_the_whole_picture() -> None:
    lines = drawn(evaluation(feature("temp", "drift", 0.205, "large"), feature("wind", "ok", 0.0001))).splitlines()
    assert [line.rstrip() for line in lines] == [
        "churn · version 3 · prod · 1 January 1970 · 1,000 rows · outcomes for 97 %",
        "",
        "Performance  from 970 outcomes",
        "metric    value  interval  baseline  rows",
        "log loss    0.5  –                –   970",
        "ROC AUC    0.66  –             0.67   970",
        "",
        "1 of 2 features drifts",
        "      was  → is  state     size        test    p     PSI     JS  missing",
        "temp  ▅▅    ▃█   drift     large    KS 0.41  0.5   0.205  0.102  0 → 4 %",
        "wind  ▅▅    ▃█   no drift         KS 0.0002  0.5  0.0001  5e−05  0 → 4 %",
        "",
        "Statistics",
        "importance unknown: all features have the same weight",
    ]


def test_ten_missing_features_are_named_and_all_of_them_on_request() -> None:
    what = evaluation(feature("temp", "ok", 0.01))
    what.missing_features = tuple(f"gone{at:02d}" for at in range(12))
    short, long = (drawn(what, width=400, detail=Detail(has_all_rows=is_all)) for is_all in (False, True))
    assert "gone09 and 2 more" in short
    assert "gone10" not in short
    assert "gone10, gone11." in long


def test_ten_features_are_shown_and_how_many_more_there_are() -> None:
    calm = [feature(f"calm{at:02d}", "ok", 0.02) for at in range(12)]
    what = evaluation(*calm, feature("gone", "drift", 0.4, "large"), feature("moved", "drift", 0.12, "moderate"))
    lines = drawn(what, detail=Detail()).splitlines()
    first = lines.index(next(line for line in lines if line.startswith("gone")))
    names = [line.split()[0] for line in lines[first : first + 11]]
    assert names == ["gone", "moved", *(f"calm{at:02d}" for at in range(8)), "and"]
    assert lines[first + 10].rstrip() == "and 4 more: --all"
    whole = drawn(what, detail=Detail(has_all_rows=True))
    assert "calm11" in whole
    assert "--all" not in whole


def test_what_costs_most_by_its_importance_comes_first() -> None:
    what = evaluation(feature("far", "drift", 0.4, "large"), feature("heavy", "drift", 0.2, "moderate"))
    causes = [Cause((name,), "", 0.4, (), weight=weight) for name, weight in (("heavy", 0.3), ("far", 0.1))]
    assert [line.split()[0] for line in drawn(what).splitlines() if line.startswith(("far", "heavy"))] == [
        "far",
        "heavy",
    ]
    what.explanation = Explanation(tuple(causes), "")
    assert [line.split()[0] for line in drawn(what).splitlines() if line.startswith(("far", "heavy"))] == [
        "heavy",
        "far",
    ]


def test_statistics_are_shown_where_they_are_asked_for() -> None:
    what = evaluation(feature("temp", "drift", 0.205, "large"), feature("sun", "within_normal_variation", 0.2))
    what.estimated = {"roc_auc": ESTIMATE}
    short, long = (drawn(what, detail=Detail(explain=explain)) for explain in (False, True))
    for statistic in ("PSI", "estimated", "importance unknown"):
        assert statistic not in short
        assert statistic in long
    assert "KS 0.41" in short
    assert "within normal variation: " in short


def test_estimates_stand_for_outcomes_that_have_not_come() -> None:
    what = evaluation(feature("temp", "ok", 0.01), performance=False)
    what.estimated = {"roc_auc": ESTIMATE}
    said = " ".join(drawn(what, detail=Detail()).split())
    assert "ROC AUC 0.66" in said
    assert "estimated: assumes" in said


def test_three_metrics_and_the_worse_ones_are_shown() -> None:
    what = evaluation(feature("temp", "ok", 0.01))
    known = ("accuracy", "brier", "precision", "recall", "f1")
    what.realized |= {name: MetricValue(0.4, 970, "rows") for name in known}
    what.realized_changes = {
        "recall": MetricChange("worse", -0.03, -0.041, -0.019, 0.001, 0.024),
        "brier": MetricChange("not_worse", -0.03, -0.041, 0.019, 0.4, 0.024),
    }
    lines = drawn(what, detail=Detail()).splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("metric"))
    shown = [line.split("  ")[0] for line in lines[start + 1 : start + 6]]
    assert shown == ["log loss", "ROC AUC", "accuracy", "recall", "and 3 more: --all"]
    assert "worse" in lines[start + 4]


def test_the_newest_ten_windows_have_a_line_each() -> None:
    known = []
    for day in range(14):
        one = evaluation(feature("temp", "ok", 0.01))
        one.window, one.fraction = Window("1d", day * DAY, (day + 1) * DAY), 0.0
        known.append(one)
    short, whole = io.StringIO(), io.StringIO()
    show(known, Console(file=short, width=120), detail=Detail())
    show(known, Console(file=whole, width=120), detail=Detail(has_all_rows=True))
    lines = short.getvalue().splitlines()
    assert lines[0].rstrip() == "4 earlier windows: --all"
    assert lines[2].startswith("1970-01-05")
    assert "\n1970-01-01" in whole.getvalue()
    assert "--explain" in lines[-1]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100])
def test_a_narrow_terminal_loses_columns_and_no_state(width: int) -> None:
    shown = drawn(evaluation(feature("a" * 40, "drift", 0.2, "large")), width=width)
    assert max(len(line) for line in shown.splitlines()) <= width
    assert "drift" in shown
    assert ("size" in shown, "▃█" in shown) == (width >= 60, width >= 60)


def test_a_terminal_without_unicode_gets_ascii() -> None:
    shown = drawn(evaluation(feature("temp", "drift", 0.2, "large", "chi2")), encoding="ascii")
    assert "?" not in shown
    assert "temp  ++    -#   drift  large  X2 0.4" in shown


def test_names_from_elsewhere_cannot_steer_the_terminal() -> None:
    shown = drawn(evaluation(feature("x\x1b[2J[red]y", "drift", 0.2, "large")))
    assert "\x1b" not in shown
    assert "x·[2J[red]y" in shown


def test_a_pipe_and_no_color_get_no_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    what = evaluation(feature("temp", "drift", 0.2, "large"))
    coloured, plain = io.StringIO(), io.StringIO()
    monkeypatch.delenv("NO_COLOR", raising=False)
    show([what], Console(file=coloured, force_terminal=True, color_system="standard", width=100))
    monkeypatch.setenv("NO_COLOR", "1")
    show([what], Console(file=plain, force_terminal=True, color_system="standard", width=100))
    assert "\x1b[1;31mdrift" in coloured.getvalue()
    assert "31m" not in plain.getvalue()


def test_what_nobody_reviewed_is_remarked() -> None:
    what, file = evaluation(feature("temp", "ok", 0.01)), io.StringIO()
    what.unreviewed = {"late": 9_500}
    show([what], Console(file=file, width=300))
    (line,) = [line for line in file.getvalue().splitlines() if "9,500" in line]
    assert "late" in line


def test_several_windows_are_a_line_each_and_the_newest_that_can_be_judged_in_full() -> None:
    first = evaluation(feature("temp", "ok", 0.01))
    last = evaluation(feature("temp", "drift", 0.2, "large"), feature("sun", "within_normal_variation", 0.3, "large"))
    last.window = Window("1d", DAY, 2 * DAY)
    stub = evaluation(feature("temp", "inconclusive", 0.0), performance=False)
    stub.window, first.fraction, last.fraction = Window("1d", 2 * DAY, 3 * DAY), 0.0, 1.0
    file = io.StringIO()
    show([first, last, stub], Console(file=file, width=120))
    lines = [line.rstrip() for line in file.getvalue().splitlines()]
    assert lines[:5] == [
        "window       rows  outcomes       drifted  within normal variation  top drift   score PSI  log loss  ROC AUC",
        "1970-01-01  1,000      97 %        0 of 1                        0                      –     0.500    0.660",
        "1970-01-02  1,000      97 %        1 of 2                        1  temp large          –     0.500    0.660",
        "1970-01-03  1,000         –  inconclusive                        0                      –         –        –",
        "",
    ]
    assert lines[5].startswith("churn · version 3 · prod · 2 January 1970 ")


def test_what_is_wrong_with_the_data_is_a_table() -> None:
    grave = Finding("missing", ("income",), "major", 0.03, 0.16, 1e-9)
    said = finding_sentence(grave)
    slight = Finding("unseen", ("b\x1b",), "minor", 0.0, 0.01, 1e-5)
    both = evaluation(feature("income", "ok", 0.01), feature("b", "ok", 0.01), performance=False)
    both.findings = (grave, slight)
    shown = [line.strip().split(maxsplit=1) for line in drawn(both).splitlines()]
    assert ["severity", "finding"] in shown
    assert ["major", said] in shown
    assert ["minor", finding_sentence(slight)] in shown
    assert "\x1b" not in drawn(both)
