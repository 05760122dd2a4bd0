"""What to label next, from what the state keeps; and the labels that come back."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from driftline.tables.task import Task
from driftline_processor.cli.outcome_upload import OutcomeColumns, split_outcomes
from driftline_processor.config.model import Model
from driftline_processor.config.values import Keep
from driftline_processor.present.wording import iso_time
from driftline_processor.queries import label_queue
from driftline_processor.readers.outcomes.documents import parse_csv, parse_json
from starlette.testclient import TestClient

from tests.support.facts import Facts, lacking
from tests.support.fake_view import app_of
from tests.support.slow import slow
from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, NOON, Clock, Opened, baseline, outcomes, predictions

URL = "/api/v1/models/churn/label-next"


def client(state: Opened) -> TestClient:
    state.state.settle()
    return TestClient(app_of(state.state))


def test_only_predictions_without_an_outcome_are_asked_for(state: Opened) -> None:
    state.send(predictions(["a", "b", "c", ""], scores=[0.5, 0.5, 0.9, 0.5]), outcomes(["a"], [1]))
    answer = client(state).get(URL, params={"version": "1"}).json()
    assert answer["candidates"] == 2
    assert [row["id"] for row in answer["rows"]] == ["b", "c"]
    assert [row["weight"] for row in answer["rows"]] == [1.0, 1.0]
    assert answer["rows"][0]["reasons"] == {"uncertain": 1.0}
    assert answer["rows"][1]["reasons"]["uncertain"] == pytest.approx(0.2)


def test_uncertain_rows_come_first_and_the_same_ones_until_they_are_labelled(state: Opened) -> None:
    rng = np.random.default_rng(0)
    scores = rng.uniform(size=2_000)
    state.send(predictions([str(i) for i in range(2_000)], scores=scores.tolist()))
    web = client(state)
    rows = web.get(URL, params={"limit": "50"}).json()["rows"]
    assert len(rows) == 50
    assert np.mean([abs(row["score"] - 0.5) for row in rows]) < 0.22  # 0.25 of an even sample
    assert web.get(URL, params={"limit": "50"}).json()["rows"] == rows
    even = {row["weight"] for row in web.get(URL, params={"limit": "50", "by": "random"}).json()["rows"]}
    assert len(even) == 1
    assert even.pop() == pytest.approx(40, rel=0.4)


def test_rows_of_what_drifts_are_asked_for(open_state: Open, clock: Clock) -> None:
    rng = np.random.default_rng(1)
    before, now = rng.normal(size=3_000), np.concatenate([rng.normal(size=1_500), rng.normal(5, 0.1, 500)])
    known = baseline([0.5] * 3_000, {"x": before.tolist()})
    state = open_state(churn=Model(keep_features=Keep(None), windows=("1h",)))
    state.send(
        predictions([str(i) for i in range(2_000)], NOON, [0.5] * 2_000, features={"x": now.tolist()}),
        baselines=[known.to_json()],
    )
    clock.now += 4 * HOUR
    late = [f"late-{i}" for i in range(100)]
    state.send(predictions(late, NOON + 3 * HOUR, [0.5] * 100, features={"x": [0.0] * 100}))  # closes the window
    rows = client(state).get(URL, params={"limit": "100", "by": "drifted"}).json()["rows"]
    drifted = [row for row in rows if row["reasons"]["drifted"] > 0.9]
    assert len(drifted) > 60
    assert all(row["id"].isdecimal() and now[int(row["id"])] > 3 for row in drifted)


def test_rows_of_the_worst_slice_are_asked_for(open_state: Open, clock: Clock) -> None:
    state = open_state(churn=Model(slices=("region",), windows=("1h",)))
    ids, regions = [str(i) for i in range(900)], ["n", "s", "w"] * 300
    wrong = [region == "n" and i % 2 == 0 for i, region in enumerate(regions)]
    clock.now += 4 * HOUR
    state.send(predictions(ids, NOON, [0.9] * 900, slices={"region": regions}))
    state.send(outcomes(ids, [0 if bad else 1 for bad in wrong]))
    late = [f"late-{i}" for i in range(300)]
    state.send(predictions(late, NOON + 3 * HOUR, [0.9] * 300, slices={"region": regions[:300]}))
    rows = client(state).get(URL, params={"limit": "60", "by": "weak"}).json()["rows"]
    assert [row["slices"]["region"] for row in rows if row["reasons"]["weak"] > 0.5].count("n") > 40


def test_the_sheet_can_be_filled_in_and_sent_back(state: Opened) -> None:
    ids, times = [str(i) for i in range(300)], [NOON + 7 * i for i in range(300)]
    state.send(predictions(ids, times, scores=np.linspace(0, 1, 300).tolist()))
    sheet = client(state).get(URL, params={"limit": "20", "format": "csv"}).text.splitlines()
    assert sheet[0] == "id,prediction_time,weight,actual"
    parsed = parse_csv("\n".join([sheet[0], *(f"{line}1" for line in sheet[1:])]).encode(), "churn", None)
    assert parsed.rejected == []
    state.send(*parsed.rows.tables(NOON + HOUR))
    found = state.view()
    assert (found.outcomes, found.pending) == (20, 0)


AWKWARD = [
    *("=1+1", "+31612345678", "-5", "-2+3+cmd|' /C calc'!A0", "@SUM(A1)", "007", "1e5", "12345678901234567890"),
    *("2026-01-02", "MAR1", "TRUE", "'quoted", "''=1", "a,b", 'say "x"', "plain", "\u00e9", "=\tx"),
]
"""Ids that a program for spreadsheets would run, or make something else of."""


@pytest.mark.parametrize("pushed", [slow(False), True])
@pytest.mark.parametrize("form", ["csv", "spreadsheet"])
def test_a_spreadsheet_runs_no_id_as_a_formula_and_sends_every_id_back(
    state: Opened, tmp_path: Path, pushed: bool, form: str
) -> None:
    state.send(predictions(AWKWARD, [NOON + i for i in range(len(AWKWARD))]))
    text = client(state).get(URL, params={"format": form}).text
    header, *cells = csv.reader(io.StringIO(text, newline=""))
    if form == "spreadsheet":
        assert header == ["'id", "'prediction_time", "weight", "'actual"]
        assert sorted(row[0] for row in cells) == sorted(f"'{one}" for one in AWKWARD)
    else:
        assert header == ["'id", "prediction_time", "weight", "actual"]
        assert {"'=1+1", "'-5", "'@SUM(A1)", "''quoted", "'''=1", "007", "plain"} < {row[0] for row in cells}
    assert [row[2] for row in cells] == ["1.0"] * len(AWKWARD)
    assert not [cell for row in (header, *cells) for cell in row if cell.startswith(tuple("=+-@\t\r"))]

    for row in cells:
        row[3] = "1"  # as typed
    file = tmp_path / "labels.csv"
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([header, *cells])
    (part,) = split_outcomes(file, OutcomeColumns({}), print)
    body = part.body if pushed else file.read_bytes()
    parsed = parse_csv(body, "churn", None)
    assert parsed.rejected == []
    assert sorted(parsed.rows.id.to_pylist()) == sorted(AWKWARD)
    state.send(*parsed.rows.tables(NOON + HOUR))
    assert state.view().outcomes == len(AWKWARD)


def test_labels_that_are_texts_come_back_from_a_spreadsheet(open_state: Open) -> None:
    task = Task("binary", ("=no", "-yes"), "-yes")
    state = open_state()
    state.send(predictions(["a", "b", "c"], [NOON, NOON + 1, NOON + 2], [0.4, 0.5, 0.6], task=task))
    web = client(state)
    sheet = web.get(URL, params={"format": "spreadsheet"}).text
    filled = "\n".join([sheet.splitlines()[0], *(f"{line}'-yes" for line in sheet.splitlines()[1:])])
    state.send(*parse_csv(filled.encode(), "churn", None).rows.tables(NOON + HOUR))
    state.state.settle()
    again = list(csv.DictReader(io.StringIO(web.get(URL, params={"format": "spreadsheet"}).text)))
    assert [row["'actual"] for row in again] == ["'-yes"] * len(again)
    assert {row["value"] for row in again if "value" in row} <= {""}


def test_a_form_that_is_not_known_is_named(state: Opened) -> None:
    state.send(predictions(["a"]))
    answer = client(state).get(URL, params={"format": "xlsx"})
    assert (answer.status_code, answer.json()) == (
        400,
        {"error": "format=xlsx is not supported; use json, csv or spreadsheet"},
    )


def weights(state: Opened) -> dict[object, object]:
    state.view()
    rows = state.state.read("SELECT p.id, j.weight FROM joined j JOIN predictions p ON p.seq = j.prediction")
    return dict(zip(rows["id"].to_pylist(), rows["weight"].to_pylist(), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("form", ["json", "csv"])
def test_what_is_drawn_in_parts_and_sent_back_weighs_what_it_does_when_drawn_at_once(
    open_state: Open, form: str
) -> None:
    ids, times = [str(i) for i in range(400)], [NOON + 1_001 * i for i in range(400)]
    scores = np.linspace(0, 1, 400).tolist()
    state = open_state()
    state.send(predictions(ids, times, scores, weight=[2.0] * 400))
    web = client(state)
    at_once = {row["id"]: 2 * row["weight"] for row in web.get(URL, params={"limit": "60"}).json()["rows"]}
    for part in range(3):
        if form == "json":
            answer = web.get(URL, params={"limit": "20"}).json()
            new = [
                {"id": row["id"], "prediction_time": row["time"], "weight": row["weight"], "actual": int(row["id"]) % 2}
                for row in answer["rows"]
            ]
            more = [{**row, "value": 7.5, "slices": {"desk": "b"}, "time": iso_time(NOON + HOUR + 1)} for row in new]
            parsed = parse_json(json.dumps({"outcomes": [*more, *answer["labelled"]]}).encode(), "churn", None)
        else:
            sheet = list(csv.DictReader(io.StringIO(web.get(URL, params={"limit": "20", "format": "csv"}).text)))
            for row in sheet:
                if not row["actual"]:
                    row |= {"actual": int(row["id"]) % 2, "value": 7.5, "slice.desk": "b", "time": NOON + HOUR + 1}
            text = io.StringIO()
            writer = csv.DictWriter(text, [*sheet[0]])
            writer.writeheader()
            writer.writerows(sheet)
            parsed = parse_csv(text.getvalue().encode(), "churn", None)
        assert parsed.rejected == []
        assert len(parsed.rows) == 20 * (part + 1)
        state.send(*parsed.rows.tables(NOON + 2 * HOUR))
        assert len(weights(state)) == 20 * (part + 1)
    assert weights(state) == pytest.approx(at_once)
    said = "SELECT DISTINCT j.value, j.slices['desk'], j.outcome_time, j.number = p.id::INT % 2 FROM joined j JOIN"
    assert state.rows(f"{said} predictions p ON p.seq = j.prediction") == [(7.5, "b", NOON + HOUR + 1, True)]


def test_versions_that_share_the_label_of_an_id_draw_the_same_ids(state: Opened) -> None:
    ids, times = [str(i) for i in range(600)], [NOON + 1_001 * i for i in range(600)]
    state.send(predictions(ids, times), predictions(ids[::-1], NOON + HOUR, version="2"))
    web = client(state)

    def drawn(version: str, most: int) -> dict[str, float]:
        rows = web.get(URL, params={"version": version, "limit": str(most), "by": "random"}).json()["rows"]
        return {row["id"]: row["weight"] for row in rows}

    first, other = drawn("1", 30), drawn("2", 60)
    assert drawn("2", 30) == first
    assert first.keys() < other.keys()
    state.send(outcomes([*first], [1] * 30, times=NOON + 2 * HOUR, weight=[*first.values()]))
    state.state.settle()
    assert first | drawn("2", 30) == {id: first.get(id, weight) for id, weight in other.items()}
    known = web.get(URL, params={"version": "2", "limit": "30", "by": "random"}).json()["labelled"]
    assert {row["id"]: row["weight"] for row in known} == {id: other[id] for id in first}


def test_of_many_rows_those_of_the_least_lots_are_looked_at(state: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    ids, times = [str(i) for i in range(3_000)], [NOON + DAY * (i % 3) for i in range(3_000)]
    state.send(predictions(ids, times, np.random.default_rng(0).uniform(size=3_000).tolist()))
    web = client(state)
    all_of_them = web.get(URL, params={"limit": "20"}).json()
    monkeypatch.setattr(label_queue, "MOST_LOOKED_AT", 1_000)
    assert web.get(URL, params={"limit": "20"}).json() == all_of_them
    assert all_of_them["candidates"] == 3_000


def test_what_nobody_drew_stands_for_itself(state: Opened) -> None:
    state.send(predictions([str(i) for i in range(300)], NOON, np.linspace(0, 1, 300).tolist()))
    state.send(outcomes([str(i) for i in range(100)], [1] * 100))
    answer = client(state).get(URL, params={"limit": "20"}).json()
    assert (answer["candidates"], answer["labelled"]) == (200, [])


@pytest.mark.parametrize(
    ("asked", "facts"),
    [
        ({"limit": "0"}, ("10000",)),
        ({"by": "moon"}, ("by=moon is not supported",)),
        ({"since": "x"}, ("since must be a time",)),
    ],
)
def test_what_cannot_be_asked_is_said(state: Opened, asked: dict[str, str], facts: Facts) -> None:
    state.send(predictions(["a"]))
    answer = client(state).get(URL, params=asked)
    assert answer.status_code == 400
    assert lacking(answer.json()["error"], *facts) == []
