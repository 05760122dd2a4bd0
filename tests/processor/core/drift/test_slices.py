"""Drift in slices: one family with all rows, each slice against the same slice of the baseline."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.baseline.sections.slices import OTHER, places_of, slice_name, values_of
from driftline.panes.fold import GroupCounts, fold_by
from driftline.panes.pane import Pane
from driftline.tables.table import ModelKey
from driftline_processor.core.drift.incident import incident
from driftline_processor.core.drift.rule import Rules, drift
from driftline_processor.core.drift.slices import SlicedWindow, drift_of_windows, of_slice
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.judge_window import ModelWindow, judge_window
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.window_context import SliceContext, WindowContext
from driftline_processor.core.windows.window import Window
from driftline_processor.present.sentences.causes import cause_sentence
from driftline_processor.present.sentences.drift import slice_sentence
from driftline_processor.present.sentences.findings import fault_clause
from msgspec.structs import replace

from tests.support.unwrap import unwrap

HOUR = 3_600 * 10**9
SHARES = {"NL": 0.05, "BE": 0.25, "DE": 0.3, "FR": 0.4}


def frame(n: int, seed: int, moved: float = 0.0, also: str = "") -> dict[str, Any]:
    """Rows whose income differs by country; in the Netherlands it has moved."""
    rng = np.random.default_rng(seed)
    country = rng.choice(list(SHARES), n, p=list(SHARES.values())).astype(object)
    if also:
        country[rng.random(n) < 0.2] = also
    income = rng.normal(size=n) + 2.0 * (country == "FR") + moved * (country == "NL")
    return {"income": income, "age": rng.normal(size=n), "score": rng.random(n), "country": country}


def baseline(rows: dict[str, Any], **said: Any) -> Baseline:
    told: dict[str, Any] = {"score": "score", "model": "m", "task": "binary", "features": ["income", "age"], **said}
    return Baseline.from_frame(rows, **told)


BASELINE = baseline(frame(40_000, 1), slices=["country"])


def window(rows: dict[str, Any], against: Baseline = BASELINE) -> tuple[Pane, dict[str, Pane]]:
    said: Any = {"score": "score", "model": "m", "task": "binary", "features": ["income", "age"]}
    table, *_ = table_from_frame(rows, slices=["country"], **said)
    known = against.extras.slices
    values = values_of(table.slices["country"], () if known is None else known.values("country"))
    cut = GroupCounts(places_of(table.slices["country"], values, len(table)), len(values) + 1)
    [pane] = fold_by(table, against.bins, np.zeros(len(table), np.int64), 1, cuts=[cut])
    panes = {
        slice_name("country", value): Pane({part: sums[at] for part, sums in cut.parts.items()})
        for at, value in enumerate((*values, OTHER))
    }
    return pane, {name: one for name, one in panes.items() if one.rows}


def evaluated(frame: dict[str, Any], start: int = 0, against: Baseline = BASELINE) -> Evaluation:
    pane, slices = window(frame, against)
    beside = WindowContext(slices={name: SliceContext(one) for name, one in slices.items()})
    rows = ModelWindow(ModelKey("m"), Window("1h", start, start + HOUR), pane)
    return judge_window(rows, Reference(against), beside)


def test_a_shift_that_all_rows_do_not_show_is_found_in_its_slice_and_explained_there() -> None:
    rows = frame(5_000, 2, moved=1.0)
    found = evaluated(rows)
    assert drift(window(rows)[0], BASELINE).fraction == found.fraction == 0.0
    drifted = {name: [one.name for one in of.drifted()] for name, of in found.slices.items() if of.state == "drift"}
    assert drifted == {"country=NL": ["income"]}
    [cause] = unwrap(found.explanation).causes
    assert (cause.features, cause.slice) == (("income",), "country=NL")
    assert cause_sentence(cause).startswith("income has drifted only where country = NL")


def test_a_fault_of_one_slice_is_named_with_its_slice() -> None:
    rows = frame(20_000, 2)
    rows["income"] = np.where(rows["country"] == "DE", 100 * rows["income"], rows["income"])
    found = evaluated(rows)
    [finding] = found.findings
    assert (finding.check, finding.features, finding.slice) == ("out_of_range", ("income",), "country=DE")
    assert fault_clause(finding).endswith("), only where country = DE")
    [cause] = unwrap(found.explanation).causes
    assert (cause.check, cause.slice) == ("out_of_range", "country=DE")
    assert cause_sentence(cause).count("only where country = DE") == 1


def test_a_fault_of_all_rows_is_named_without_a_slice() -> None:
    rows = frame(20_000, 2)
    found = evaluated({**rows, "income": 100 * rows["income"]})
    assert {finding.slice for finding in found.findings} == {""}
    assert {cause.slice for cause in unwrap(found.explanation).causes} == {""}


def test_slices_that_differ_from_each_other_as_they_always_did_do_not_drift() -> None:
    found = evaluated(frame(5_000, 3))
    assert {name: of.state for name, of in found.slices.items()} == {f"country={one}": "ok" for one in SHARES}
    assert found.explanation is None
    assert [of.evaluated for of in found.slices.values()] == [2, 2, 2, 2]


def test_p_values_are_corrected_over_all_rows_and_slices_together() -> None:
    pane, slices = window(frame(5_000, 4, moved=0.6))
    ((whole, found, own),) = drift_of_windows([SlicedWindow(pane, BASELINE, slices, Rules())])
    alone = drift(slices["country=NL"], own["country=NL"]).features["income"].methods["ks"]
    together = found["country=NL"].features["income"].methods["ks"]
    assert (together.value, len(found)) == (alone.value, 4)
    assert together.p_value is not None
    assert alone.p_value is not None
    assert together.p_value == pytest.approx(min(1.0, alone.p_value / 2 * 10))  # of 2 features; of 2 × (4 + all rows)
    assert whole.fraction == 0.0


def test_a_slice_that_the_baseline_does_not_know_is_shown_beside_all_rows_and_decides_nothing() -> None:
    plain = baseline(frame(40_000, 1))
    found = evaluated(frame(5_000, 5), against=plain)
    france = found.slices["country=FR"]
    assert (france.state, france.compared, france.evaluated, france.fraction) == ("no_baseline", "all rows", 0, None)
    income = france.features["income"]
    assert (income.state, income.methods["ks"].p_value) == ("no_baseline", None)
    assert unwrap(income.methods["ks"].value) > 0.3
    assert found.explanation is None


def test_other_values_are_compared_only_with_the_same_other_values() -> None:
    rows = frame(40_000, 1)
    rows["country"][:2_000] = [f"rare{at % 400}" for at in range(2_000)]
    many = baseline(rows, slices=["country"])
    assert of_slice(many, "country=other") is not None
    pane, slices = window(frame(5_000, 6), many)
    both = {**slices, "country=other": slices["country=NL"]}
    new = {**both, "country=XX": slices["country=BE"]}
    windows = [SlicedWindow(pane, many, window_slices, Rules()) for window_slices in (both, new)]
    assert [found.slices["country=other"].compared for found in drift_of_windows(windows)] == ["", "all rows"]


def test_a_slice_of_cannot_tell_says_so() -> None:
    found = evaluated(frame(500, 7))
    assert found.slices["country=NL"].state == "inconclusive"
    assert slice_sentence(found.slices["country=NL"]) == "too few rows"


def test_drift_that_lasts_in_a_slice_is_an_incident_of_it() -> None:
    windows = [evaluated(frame(5_000, 10 + at, moved), at * HOUR) for at, moved in enumerate((0, 0.55, 0.55, 0, 0, 0))]
    for one in windows:
        one.slices = {name: found.thinned() for name, found in one.slices.items()}
    for before, one in zip([None, *windows], windows, strict=False):
        one.incident = incident(one, before)
    name = "feature:income where country=NL"
    assert [one.slices["country=NL"].state for one in windows] == ["ok", "drift", "drift", "ok", "ok", "ok"]
    assert [one.incident.get(name) for one in windows[2:4]] == [HOUR, HOUR]
    assert [one.incident for one in windows[4:]] == [{}, {}]


def test_an_incident_of_a_slice_ends_with_the_slice_and_waits_where_it_cannot_be_judged() -> None:
    before = evaluated(frame(5_000, 20, 1.5))
    before.incident = incident(before, None)
    assert before.incident == {"feature:income where country=NL": 0}
    few = replace(before, incident={}, slices={"country=NL": evaluated(frame(500, 7)).slices["country=NL"].thinned()})
    assert incident(few, before) == before.incident
    assert incident(replace(before, incident={}, slices={}), before) == {}
    assert incident(replace(before, incident={}, slices={}, closed=False), before) == before.incident
