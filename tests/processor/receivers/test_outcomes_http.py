"""POST /v1/outcomes, over real requests against a recording state."""

from __future__ import annotations

import gzip
import json
import math
from collections import Counter

import numpy as np
import pytest
from driftline.tables.table import OutcomeTable, Text
from driftline_processor.receipts import Overloaded
from httpx2 import Response

from tests.support.fake_intake import NOW, OutcomeIntake, post_outcomes


def ids(text: Text) -> list[str]:
    return [text.data[a:b].decode() for a, b in zip(text.offsets[:-1], text.offsets[1:], strict=True)]


def actuals(table: OutcomeTable) -> list[float | str]:
    n = len(table)
    numbers = table.actual.numbers if table.actual.numbers is not None else np.full(n, np.nan)
    codes = table.actual.codes if table.actual.codes is not None else np.full(n, -1)
    return [
        table.actual.categories[code] if code >= 0 else float(number)
        for number, code in zip(numbers, codes, strict=True)
    ]


def post_json(state: OutcomeIntake, *outcomes: object, **top: object) -> Response:
    # json.dumps writes NaN, as Python clients do
    body = json.dumps({"model": "churn", "outcomes": outcomes, **top})
    return state.client.post("/v1/outcomes", content=body, headers={"content-type": "application/json"})


@pytest.fixture
def state() -> OutcomeIntake:
    return OutcomeIntake()


def test_a_json_outcome_reaches_the_state_with_every_field(state: OutcomeIntake) -> None:
    answer = post_json(
        state,
        {
            "id": "A-1",
            "actual": 1,
            "time": "2026-11-20T07:00:00+01:00",
            "prediction_time": 1795150800,
            "weight": 2.5,
        },
        environment="prod",
    )
    assert answer.status_code == 200
    assert answer.json() == {"accepted": 1, "rejected": []}
    (table,) = state.tables
    assert (table.model, table.environment) == ("churn", "prod")
    assert ids(table.id) == ["A-1"]
    assert actuals(table) == [1.0]
    assert table.time.tolist() == [1795154400 * 10**9]
    assert table.prediction_time.tolist() == [1795150800 * 10**9]
    assert table.weight.tolist() == [2.5]


def test_what_is_not_said_gets_the_documented_default(state: OutcomeIntake) -> None:
    post_json(state, {"id": "A-1", "actual": "churned"})
    (table,) = state.tables
    assert table.environment is None
    assert actuals(table) == ["churned"]
    assert table.time.tolist() == [NOW]
    assert table.prediction_time.tolist() == [0]
    assert math.isnan(table.weight[0])


def test_17_as_int_float_and_text_is_one_id(state: OutcomeIntake) -> None:
    post_json(state, *({"id": value, "actual": 1} for value in (17, 17.0, "17", " 17 ", 12345678901234567890)))
    assert ids(state.tables[0].id) == ["17"] * 4 + ["12345678901234567890"]


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        ("2026-11-20T08:00:00Z", 1795161600),
        ("2026-11-20 08:00:00", 1795161600),
        ("2026-11-20T09:30:00+01:30", 1795161600),
        ("2026-11-20", 1795132800),
        (1795161600, 1795161600),
        (1795161600.5, 1795161600.5),
        (1795161600_000, 1795161600),
        (1795161600_000_000, 1795161600),
        (1795161600_000_000_000, 1795161600),
        ("1795161600", 1795161600),
    ],
)
def test_times_are_iso_8601_or_unix_numbers_of_any_unit(sent: object, seconds: float) -> None:
    by_json, by_line, by_csv = OutcomeIntake(), OutcomeIntake(), OutcomeIntake()
    post_json(by_json, {"id": "a", "actual": 1, "time": sent})
    post_outcomes(by_line, json.dumps({"id": "a", "actual": 1, "time": sent}), "application/x-ndjson")
    post_outcomes(by_csv, f"id,actual,time\na,1,{sent}\n", "text/csv")
    for state in (by_json, by_line, by_csv):
        assert state.tables[0].time.tolist() == [round(seconds * 10**9)]


BAD: list[tuple[object, str]] = [
    ({"actual": 1}, "id is missing"),
    ({"id": "", "actual": 1}, "id is missing"),
    ({"id": math.nan, "actual": 1}, "id is missing"),
    ({"id": True, "actual": 1}, "id is true or false; send a string or a number"),
    ({"id": {"a": 1}, "actual": 1}, "id is an object; send a string or a number"),
    ({"id": "x" * 1_000_000, "actual": 1}, "id has more than 1,024 characters"),
    ({"id": "a\ud800", "actual": 1}, "id contains half a surrogate pair, which is not valid Unicode"),
    ({"id": "a", "actual": "\udfff"}, "actual contains half a surrogate pair, which is not valid Unicode"),
    ({"id": "a"}, "actual is missing"),
    ({"id": "a", "actual": None}, "actual is missing"),
    ({"id": "a", "actual": math.nan}, "actual is not finite; send a finite number, or no outcome until it is known"),
    ({"id": "a", "actual": -math.inf}, "actual is not finite; send a finite number, or no outcome until it is known"),
    ({"id": "a", "actual": 10**400}, "actual is not finite; send a finite number, or no outcome until it is known"),
    (
        {"id": "a", "actual": {"class": "late"}},
        "actual is an object, and it has a relevance that is not a finite number",
    ),
    (
        {"id": "a", "actual": 1, "weight": 0},
        "weight is not a number from 1e-12 to 1e12 (1 / the probability of review)",
    ),
    ({"id": "a", "actual": 1, "weight": "2"}, "weight is a string; send a number"),
    (
        {"id": "a", "actual": 1, "time": "noon"},
        "time is 'noon'; send a time from 1970 to 2262 as ISO 8601 (2026-11-20T08:00:00Z) or as unix seconds, ms or ns",
    ),
    ({"id": "a", "actual": 1, "time": -5}, "time is not a time between 1970 and 2262"),
    ({"id": "a", "actual": 1, "time": 10**30}, "time is not a time between 1970 and 2262"),
    (
        {"id": "a", "actual": 1, "prediction_time": [1]},
        "prediction_time is a list; send ISO 8601 or unix seconds, ms or ns",
    ),
    (
        {"id": "a", "actuall": 1},
        "unknown key 'actuall'; an outcome has the keys id, actual, time, prediction_time, weight, item, value, "
        "retracted, slices, model, environment",
    ),
    ("A-1", 'an outcome must be an object like {"id": …, "actual": …}, not a string'),
]


@pytest.mark.parametrize(("bad", "reason"), BAD)
def test_a_bad_outcome_is_rejected_with_its_reason_and_its_neighbours_are_kept(bad: object, reason: str) -> None:
    good = [{"id": "first", "actual": 1}, {"id": "last", "actual": 0}]
    by_json, by_line = OutcomeIntake(), OutcomeIntake()
    answer = post_json(by_json, good[0], bad, good[1])
    assert answer.json() == {"accepted": 2, "rejected": [{"index": 1, "reason": reason}]}
    assert ids(by_json.tables[0].id) == ["first", "last"]
    lines = "\n".join(json.dumps(line) for line in (good[0], bad, good[1]))
    answer = post_outcomes(by_line, lines, "application/x-ndjson")
    assert answer.json()["accepted"] == 2
    assert answer.json()["rejected"] == [{"index": 1, "reason": reason}]
    counted = (("driftline.rejected.rows", (("driftline.reason", "unusable_outcome"),)), 1.0)
    assert list(by_json.counters.snapshot().items()) == list(by_line.counters.snapshot().items()) == [counted]


@pytest.mark.parametrize("field", ["id", "actual", "weight", "time"])
def test_a_number_of_more_digits_than_python_reads_is_rejected_alone(field: str) -> None:
    said = {"id": '"b"', "actual": "1", field: "9" * 5000}
    bad = "{" + ", ".join(f'"{name}": {value}' for name, value in said.items()) + "}"
    good = '{"id": "a", "actual": 0}'
    for body, kind in (
        (f'{{"model": "churn", "outcomes": [{bad}, {good}]}}', "application/json"),
        (f"{bad}\n{good}", "application/x-ndjson"),
    ):
        state = OutcomeIntake()
        answer = post_outcomes(state, body, kind).json()
        assert answer["accepted"] == 1
        assert [row["index"] for row in answer["rejected"]] == [0]
        assert ids(state.tables[0].id) == ["a"]


def test_a_csv_with_bad_lines_keeps_the_good_ones(state: OutcomeIntake) -> None:
    body = (
        "id,actual,time,prediction_time,weight\n"
        "a,1,2026-11-20T08:00:00Z,1795150800,2\n"
        ",1,,,\n"
        "b,,,,\n"
        "c,NaN,,,\n"
        "torn,1\n"
        "d,0,noon,,\n"
        "e,0,,,-1\n"
        "f,yes,,,\n"
        "torn,too,many,cells,in,here\n"
        f"{'x' * 2000},1,,,\n"
        "g,3.5,1795161600,,0.5\n"
    )
    answer = post_outcomes(state, body, "text/csv; charset=utf-8").json()
    assert answer["accepted"] == 3
    assert answer["rejected"] == [
        {"index": 1, "reason": "id is missing"},
        {"index": 2, "reason": "actual is missing"},
        {"index": 3, "reason": "actual is not finite; send a finite number, or no outcome until it is known"},
        {"index": 4, "reason": "the line does not have 5 cells, as the header has"},
        {
            "index": 5,
            "reason": "time is 'noon'; send a time from 1970 to 2262 as ISO 8601 (2026-11-20T08:00:00Z) "
            "or as unix seconds, ms or ns",
        },
        {"index": 6, "reason": "weight is not a number from 1e-12 to 1e12 (1 / the probability of review)"},
        {"index": 8, "reason": "the line does not have 5 cells, as the header has"},
        {"index": 9, "reason": "id has more than 1,024 characters"},
    ]
    (table,) = state.tables
    assert ids(table.id) == ["a", "f", "g"]
    assert actuals(table) == [1.0, "yes", 3.5]
    assert table.time.tolist() == [NOW, NOW, NOW]
    assert table.weight.tolist()[::2] == [2.0, 0.5]


def test_a_csv_column_of_ids_that_became_floats_is_whole_numbers_again(state: OutcomeIntake) -> None:
    post_outcomes(state, "id,actual\n17.0,1\n18.0,0\n", "text/csv")
    post_outcomes(state, "id,actual\n17.0,1\nv1.0,0\n", "text/csv")
    assert [ids(table.id) for table in state.tables] == [["17", "18"], ["17.0", "v1.0"]]


def test_a_csv_actual_with_a_needless_zero_is_a_name(state: OutcomeIntake) -> None:
    post_outcomes(state, "id,actual\na,007\nb,7\nc,0\nd,0.5\ne,1e3\n", "text/csv")
    assert actuals(state.tables[0]) == ["007", 7.0, 0.0, 0.5, 1000.0]


def test_rows_of_several_models_and_environments_become_a_table_each(state: OutcomeIntake) -> None:
    body = "model,environment,id,actual\nchurn,prod,a,1\nfraud,,b,0\nchurn,prod,c,0\n,test,d,1\n"
    answer = post_outcomes(state, body, "text/csv", query="?model=default&environment=stage")
    assert answer.json()["accepted"] == 4
    assert [(table.model, table.environment, ids(table.id)) for table in state.tables] == [
        ("churn", "prod", ["a", "c"]),
        ("fraud", "stage", ["b"]),
        ("default", "test", ["d"]),
    ]


def test_columns_of_ndjson_read_like_its_lines() -> None:
    lines = [{"id": 17, "actual": True, "weight": 2}, {"id": 18, "actual": False, "time": "2026-11-20T08:00:00Z"}]
    by_column, by_line = OutcomeIntake(), OutcomeIntake()
    post_outcomes(by_column, "\n".join(map(json.dumps, lines)), "application/x-ndjson")
    post_outcomes(by_line, "\n\n".join(map(json.dumps, [*lines, {"id": "x"}])), "application/x-ndjson")
    for state in (by_column, by_line):
        (table,) = state.tables
        assert ids(table.id) == ["17", "18"]
        assert actuals(table) == [1.0, 0.0]
        assert table.weight[0] == 2.0
        assert table.time.tolist() == [NOW, NOW]


def test_an_odd_line_among_thousands_is_rejected_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftline_processor.readers.outcomes.documents.NDJSON_BLOCK", 100)
    lines = [{"id": f"id-{row}", "actual": row % 2} for row in range(100)]
    lines[41] = {"id": "id-41", "actual": 1, "weight": [1]}
    lines[42] = {"id": "id-42", "actual": "0", "odd": 1}
    state = OutcomeIntake()
    answer = post_outcomes(state, "\n".join(map(json.dumps, lines)), "application/x-ndjson").json()
    assert answer["accepted"] == 98
    assert [row["index"] for row in answer["rejected"]] == [41, 42]
    (table,) = state.tables
    assert ids(table.id) == [f"id-{row}" for row in range(100) if row not in (41, 42)]
    assert actuals(table)[:3] == [0.0, 1.0, 0.0]
    torn = "\n".join([*map(json.dumps, lines[:41]), "", "{", json.dumps(lines[43])])
    answer = post_outcomes(state, torn, "application/x-ndjson").json()
    assert answer["accepted"] == 42
    assert [row["index"] for row in answer["rejected"]] == [41]
    assert answer["rejected"][0]["reason"].startswith("this is not JSON")


@pytest.mark.parametrize(
    ("body", "kind", "query", "sentence"),
    [
        ("{", "application/json", "", "this is not JSON"),
        ("[]", "application/json", "", 'send an object like {"model"'),
        ('{"model": "m", "outcomes": [], "modle": 1}', "application/json", "", "unknown key 'modle'"),
        ('{"outcomes": [{"id": 1, "actual": 1}]}', "application/json", "", "the model is missing"),
        ('{"model": {}, "outcomes": []}', "application/json", "", "model is an object"),
        ("{\nid,actual", "application/x-ndjson", "?model=m", "no line is JSON; the first error: this is not JSON"),
        ('{"id": 1, "actual": 1}', "application/x-ndjson", "", "the model is missing"),
        ("id,actual\na,1\n", "text/csv", "", "the model is missing"),
        ("id,truth\na,1\n", "text/csv", "?model=m", "the header has no column 'actual'"),
        (
            "id;actual\na;1\n",
            "text/csv",
            "?model=m",
            "the header has no column 'id'; id and actual are required (columns are separated by commas)",
        ),
        ("id,actual,wieght\na,1,2\n", "text/csv", "?model=m", "unknown column 'wieght'"),
        ("id,id,actual\na,a,1\n", "text/csv", "?model=m", "two columns have the same name"),
        ("", "text/csv", "?model=m", "this is not a CSV"),
        ("id,actual\na,1\n".encode("utf-16"), "text/csv", "?model=m", "this is not UTF-8 text"),
        ("[" * 100_000, "application/json", "", "this is not JSON"),
    ],
)
def test_a_malformed_document_is_400_with_a_sentence(
    body: str | bytes, kind: str, query: str, sentence: str, state: OutcomeIntake
) -> None:
    answer = post_outcomes(state, body, kind, query)
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]
    assert state.tables == []


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("?model=m&env=prod", "'env' is not a parameter of this address; available: model, environment"),
        ("?model=m&model=n", "model is given 2 times; send one value"),
    ],
)
def test_a_parameter_that_would_be_ignored_is_400(query: str, sentence: str, state: OutcomeIntake) -> None:
    answer = post_outcomes(state, "id,actual\na,1\n", "text/csv", query)
    assert (answer.status_code, answer.text) == (400, sentence)
    assert state.tables == []


def test_an_empty_list_is_accepted_and_troubles_nobody(state: OutcomeIntake) -> None:
    assert post_json(state).json() == {"accepted": 0, "rejected": []}
    assert state.digests == []


@pytest.mark.parametrize(
    "kind", ["application/xml", "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"]
)
def test_an_unknown_content_type_is_415(kind: str) -> None:
    """A few kilobytes of Arrow or Parquet may be gigabytes of rows."""
    answer = post_outcomes(OutcomeIntake(), "<a/>", kind)
    assert answer.status_code == 415
    assert "application/json, application/x-ndjson" in answer.json()["error"]


def test_no_content_type_is_415_so_that_no_page_of_another_site_can_post() -> None:
    assert OutcomeIntake().client.post("/v1/outcomes", content=b"{}").status_code == 415


def test_gzip_is_unpacked(state: OutcomeIntake) -> None:
    body = gzip.compress(b"id,actual\na,1\n")
    assert post_outcomes(state, body, "text/csv", content_encoding="gzip").json()["accepted"] == 1


def test_gzip_files_that_follow_on_each_other_are_one_body(state: OutcomeIntake) -> None:
    body = gzip.compress(b"id,actual\na,1\n") + gzip.compress(b"b,0\n")
    assert post_outcomes(state, body, "text/csv", content_encoding="gzip").json()["accepted"] == 2


@pytest.mark.parametrize("body", [b"id,actual\n", gzip.compress(b"id,actual\na,1\n", mtime=0)[:-9]])
def test_damaged_gzip_is_400(body: bytes) -> None:
    answer = post_outcomes(OutcomeIntake(), body, "text/csv", content_encoding="gzip")
    assert answer.status_code == 400
    assert "gzip" in answer.json()["error"]


def test_a_small_request_that_unpacks_to_too_much_is_413() -> None:
    bomb = gzip.compress(b" " * (33 * 2**20))
    answer = post_outcomes(OutcomeIntake(), bomb, "application/json", content_encoding="gzip")
    assert answer.status_code == 413
    assert answer.json()["error"].startswith("the request is larger than 32 MiB")


def test_overload_is_503_with_the_time_to_wait() -> None:
    answer = post_json(OutcomeIntake(failure=Overloaded(2.0)), {"id": "a", "actual": 1})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"


def test_what_the_state_refuses_is_named_with_its_rows() -> None:
    answer = post_json(OutcomeIntake(rejected=Counter({"expired": 3})), {"id": "a", "actual": 1})
    assert answer.json()["rejected"] == [{"index": None, "reason": "expired", "rows": 3}]


def test_a_resend_has_the_same_digest_and_a_statement_without_a_time_never_has(state: OutcomeIntake) -> None:
    for now in (NOW, NOW + 10**9):
        state.now = now
        post_json(state, {"id": "a", "actual": 1, "time": 1795161600})
        post_json(state, {"id": "a", "actual": 1})
    timed, untimed = state.digests[::2], state.digests[1::2]
    assert timed[0] == timed[1]
    assert untimed[0] != untimed[1]


def test_a_long_list_of_rejections_is_cut_and_counted() -> None:
    answer = post_outcomes(OutcomeIntake(), "id,actual\n" + ",1\n" * 1500, "text/csv").json()
    assert len(answer["rejected"]) == 1000
    assert answer["more_rejected"] == 500


def test_get_is_refused() -> None:
    assert OutcomeIntake().client.get("/v1/outcomes").status_code == 405
