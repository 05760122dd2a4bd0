"""What really happened: one at a time, and many at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import driftline
import numpy as np
import pandas as pd
import pytest
from driftline import outcomes
from driftline.batch.conversion import list_of
from driftline.tables.column_codec import strings
from driftline_processor.demo.peers.recorder import Asked, listening
from driftline_processor.demo.peers.recorder import Service as Asking

from tests.support.facts import Facts, lacking
from tests.support.service import NOW, Service

NOON = 1_795_176_000_000_000_000


def test_an_outcome_is_a_record(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftline.outcomes._now", lambda: NOW)
    churn = service.model()
    churn.outcome(17.0, actual=1)
    churn.outcome("A-2", actual="churned", time=datetime(2026, 11, 20, 12, tzinfo=UTC), prediction_time=NOW, weight=4)
    churn.outcome("A-3", actual=np.bool_(True))

    (table,) = service.outcomes()
    assert (table.model, table.environment) == ("churn", "test")
    assert strings(table.id) == ["17", "A-2", "A-3"]
    assert list_of(table.actual) == ["1", "churned", "1"]  # a text whatever its type, as the registry has it
    assert table.time.tolist() == [NOW, NOON, NOW]
    assert table.prediction_time.tolist() == [0, NOW, 0]
    assert [None if weight != weight else weight for weight in table.weight.tolist()] == [None, 4.0, None]


@pytest.mark.parametrize(
    "time",
    [
        datetime(2026, 11, 20, 12),
        datetime(2026, 11, 20, 13, tzinfo=timezone(timedelta(hours=1))),
        pd.Timestamp("2026-11-20T12:00:00Z"),
        np.datetime64("2026-11-20T12:00:00"),
        "2026-11-20T12:00:00Z",
        NOON // 10**9,
        NOON / 10**9,
        NOON // 10**6,
        NOON // 10**3,
        np.int64(NOON),
    ],
    ids=repr,
)
def test_a_time_in_any_spelling(service: Service, time: Any) -> None:
    service.model().outcome("A-1", actual=1, time=time)

    (table,) = service.outcomes()
    assert table.time.tolist() == [NOON]


@pytest.mark.parametrize(
    ("id", "actual", "options", "facts"),
    [
        (None, 1, {}, ("it has no id",)),
        ("A-1", None, {}, ("NoneType",)),
        ("A-1", float("nan"), {}, ("its actual must be a string, a number or a bool, not a float",)),
        ("A-1", [1], {}, ("its actual must be a string, a number or a bool, not a list of 1",)),
        ("A-1", 1, {"time": "yesterday"}, ("ISO", "8601 string")),
        ("A-1", 1, {"time": -5}, ("ISO", "8601 string")),
        ("A-1", 1, {"prediction_time": "then"}, ("prediction_time", "ISO", "8601 string")),
        ("A-1", 1, {"weight": "heavy"}, ("its weight must be a number, not a str",)),
    ],
)
def test_an_outcome_that_cannot_be_used_is_logged_and_never_raises(
    service: Service, caplog: pytest.LogCaptureFixture, id: Any, actual: Any, options: dict[str, Any], facts: Facts
) -> None:
    churn = service.model()
    churn.outcome(id, actual, **options)
    churn.outcome("A-2", 1)

    (table,) = service.outcomes()
    assert strings(table.id) == ["A-2"]
    assert lacking(caplog.text, *facts) == []


def test_each_cause_of_an_unusable_outcome_has_a_line_and_each_outcome_is_counted(
    service: Service, caplog: pytest.LogCaptureFixture, reasons: Callable[[str], dict[str, int]]
) -> None:
    churn = service.model()
    causes: list[dict[str, Any]] = [
        {"actual": None},
        {"id": None},
        {"time": "28.11.2026 10:00"},
        {"prediction_time": "then"},
        {"weight": "0,5"},
        {"value": "9 EUR"},
        {"retracted": "perhaps"},
        {"slices": "NO"},
    ]
    for cause in causes:
        for _ in range(2):
            churn.outcome(**{"id": "A-1", "actual": 1, **cause})
    churn.outcome("A-1", actual=float("nan"))  # the cause of None

    assert service.outcomes() == []
    lines = [record.getMessage().partition(" was not recorded: ")[2] for record in caplog.records]
    assert [line.partition(" must be")[0] for line in lines] == [
        "its actual", "it has no id", "its time", "its prediction_time", "its weight", "its value", "its retracted",
        "its slices",
    ]  # fmt: skip
    assert reasons("driftline.sdk.unusable.values") == {"unusable_outcome": 2 * len(causes) + 1}


def test_an_outcome_of_no_class_of_the_model_is_sent_and_the_log_names_the_classes_once(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """The processor counts it as it does those of handles that know no classes, and says so on the model's page."""
    churn = service.model(classes=("stays", "churns"), positive_class="churns")
    churn.outcome("A-1", "left")
    churn.outcome("A-2", "gone")
    churn.outcome("A-3", "stays")

    (table,) = service.outcomes()
    assert strings(table.id) == ["A-1", "A-2", "A-3"]
    assert [text for text in caplog.messages if "outcome" in text] == [
        "driftline: an outcome of churn cannot be used: its actual is not one of the classes 'stays', 'churns'; "
        "it is sent anyway, because the processor may have other classes"
    ]


@pytest.mark.parametrize(
    ("options", "actual"),
    [
        ({}, "left"),
        ({"task": ""}, "left"),
        ({"task": "", "classes": ("stays", "churns")}, "left"),
        ({"task": "regression"}, "left"),
        ({"classes": (False, True)}, 1),
        ({"classes": (0, 1)}, "true"),
        ({"task": "multiclass", "classes": (1, 2)}, 2.0),
    ],
    ids=str,
)
def test_nothing_is_said_of_classes_that_nobody_declared_or_that_are_the_same_in_another_spelling(
    service: Service, caplog: pytest.LogCaptureFixture, options: dict[str, Any], actual: Any
) -> None:
    service.model(**options).outcome("A-1", actual)

    (table,) = service.outcomes()
    assert (len(table.id), caplog.messages) == (1, [])


def test_of_many_classes_the_first_are_named(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    service.model(task="multiclass", classes=range(1000)).outcome("A-1", 1000)

    assert (
        "not one of the classes '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11' and 988 more"
        in caplog.text
    )


def test_many_outcomes_share_requests_of_at_most_a_mebibyte(service: Service) -> None:
    churn = service.model()
    for i in range(3000):
        churn.outcome(f"{i:0>500}", actual=i % 2)

    tables = service.outcomes()
    assert [text for table in tables for text in strings(table.id)] == [f"{i:0>500}" for i in range(3000)]
    assert len(service.channel.bodies) > 1
    assert max(map(len, service.channel.bodies)) <= 2**20


class Receiver(Asking):
    """Takes documents of outcomes, and answers ``replies`` first."""

    def __init__(self) -> None:
        self.documents: list[dict[str, Any]] = []
        self.replies: list[tuple[int, dict[str, Any] | bytes]] = []
        super().__init__(self._take)

    def _take(self, asked: Asked) -> tuple[int, dict[str, Any] | bytes]:
        status: int
        answer: dict[str, Any] | bytes
        status, answer = 200, {"accepted": len(asked.json["outcomes"]), "rejected": []}
        if self.replies:
            status, answer = self.replies.pop(0)
        if status == 200:
            self.documents.append({"path": asked.path, **asked.json})
        return status, answer


@contextmanager
def receiving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setattr(outcomes, "sleep", lambda seconds: None)  # noqa: ARG005
    with listening(Receiver()) as receiver:
        monkeypatch.setenv("DRIFTLINE_ENDPOINT", receiver.url)
        yield receiver


def test_a_frame_of_outcomes_is_sent_in_chunks_and_answered(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame(
        {
            "id": np.arange(4.0),
            "actual": [1.0, np.nan, 0.0, 1.0],
            "time": pd.to_datetime(["2026-11-20T12:00:00Z", "", "2026-11-20T12:00:00Z", ""]),
            "weight": [2.0, 1.0, np.nan, 1.0],
            "other": "x",
        }
    )
    monkeypatch.setattr(outcomes, "CHUNK_ROWS", 2)
    with receiving(monkeypatch) as receiver:
        receiver.replies = [
            (200, {"accepted": 1, "rejected": [{"index": 1, "reason": "time"}]}),
            (200, {"accepted": 0, "rejected": [{"index": 0, "reason": "weight"}], "more_rejected": 7}),
        ]
        answer = service.model().outcomes(frame)

    assert (answer.accepted, [(one.index, one.rows) for one in answer.rejected]) == (
        1,
        [(1, 1), (2, 1), (3, 1), (None, 7)],
    )
    assert [one.reason for one in answer.rejected[1:3]] == ["time", "weight"]
    assert [(document.pop("path"), document.pop("outcomes")) for document in receiver.documents] == [
        (
            "/v1/outcomes",
            [{"id": "0", "actual": 1.0, "time": NOON, "weight": 2.0}, {"id": "2", "actual": 0.0, "time": NOON}],
        ),
        ("/v1/outcomes", [{"id": "3", "actual": 1.0, "weight": 1.0}]),
    ]
    assert receiver.documents == [{"model": "churn", "environment": "test"}] * 2


def test_what_the_receiver_does_not_know_is_answered_and_logged_once(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outcomes, "CHUNK_ROWS", 1)
    unknown = {"kind": "actual", "rows": 1, "checked": 1, "reason": "none of 0, 1"}
    with receiving(monkeypatch) as receiver:
        receiver.replies = [(200, {"accepted": 1, "rejected": [], "unknown": [unknown]})] * 4
        answer = service.model().outcomes([("A-1", "yes"), ("A-2", "no")])
        service.model().outcomes([("A-1", "yes"), ("A-2", "no")])

    assert answer == driftline.Accepted(2, (), (driftline.UnknownOutcomes("actual", 2, 2, "none of 0, 1"),))
    assert len([line for line in caplog.messages if "none of 0, 1" in line]) == 1


def test_outcomes_are_sent_again_until_the_receiver_takes_them(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving(monkeypatch) as receiver:
        receiver.replies = [(503, {}), (429, {})]
        answer = service.model().outcomes([("A-1", 1), ("A-2", True, "2026-11-20T12:00:00Z"), {"id": 3, "actual": "x"}])

    assert answer == driftline.Accepted(3)
    assert receiver.documents[0]["outcomes"] == [
        {"id": "A-1", "actual": 1},
        {"id": "A-2", "actual": True, "time": NOON},
        {"id": "3", "actual": "x"},
    ]


def test_outcomes_that_are_refused_raise(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving(monkeypatch) as receiver:
        receiver.replies = [(400, {"error": "the model is missing"})]
        with pytest.raises(
            driftline.Undelivered, match=r"refused the outcomes: 400 Bad Request .*the model is missing"
        ):
            service.model().outcomes([("A-1", 1)])


def test_outcomes_that_cannot_be_delivered_raise_and_say_how_many_were(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcomes, "CHUNK_ROWS", 1)
    with receiving(monkeypatch) as receiver:
        receiver.replies = [(200, {"accepted": 1, "rejected": []}), *[(503, {})] * 5]
        with pytest.raises(driftline.Undelivered, match="did not accept the outcomes in 5 attempts") as caught:
            service.model().outcomes([("A-1", 1), ("A-2", 1)])

    assert caught.value.delivered == driftline.Accepted(1)


@pytest.mark.parametrize("answer", [b"<html>Please log in</html>", b"OK", b"", b"[]", b'{"status": "ok"}'])
def test_outcomes_that_another_server_answers_raise(
    service: Service, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    monkeypatch.setattr(outcomes, "CHUNK_ROWS", 1)
    with receiving(monkeypatch) as receiver:
        receiver.replies = [(200, {"accepted": 1, "rejected": []}), (200, answer)]
        with pytest.raises(driftline.Undelivered, match="another server answers at this address") as caught:
            service.model().outcomes([("A-1", 1), ("A-2", 1)])

    assert caught.value.delivered == driftline.Accepted(1)


def test_outcomes_with_nobody_listening_raise(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving(monkeypatch):
        pass
    with pytest.raises(driftline.Undelivered, match="start 'driftline up' or set DRIFTLINE_ENDPOINT"):
        service.model().outcomes([("A-1", 1)])


def test_a_frame_without_ids_is_refused(service: Service) -> None:
    with pytest.raises(ValueError, match=r"the outcomes have no column 'id'; their columns are \['actual'\]"):
        service.model().outcomes({"actual": [1]})


def test_outcomes_do_not_travel_over_grpc(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTLINE_ENDPOINT", "http://localhost:4317")
    with pytest.raises(ValueError, match="is a gRPC endpoint; set DRIFTLINE_ENDPOINT to the HTTP endpoint"):
        service.model().outcomes([("A-1", 1)])


def test_an_outcome_says_an_item_a_value_slices_and_that_it_takes_back(service: Service) -> None:
    churn = service.model()
    churn.outcome("A-1", 1, item=17.0, value=-12, slices={"age": 61, "region": "NL", "none": None, "nan": np.nan})
    churn.outcome("A-2", retracted=True)

    (table,) = service.outcomes()
    assert strings(table.id) == ["A-1", "A-2"]
    assert table.item is not None
    assert strings(table.item) == ["17", ""]
    np.testing.assert_array_equal(table.value, [-12.0, np.nan])
    np.testing.assert_array_equal(table.retracted, [False, True])
    assert {name: list_of(column) for name, column in table.slices.items()} == {
        "age": [61.0, None],
        "region": ["NL", None],
    }
    assert list_of(table.actual) == ["1", None]


@pytest.mark.parametrize(
    ("options", "facts"),
    [
        ({"value": "much"}, ("its value must be a number, not a str",)),
        ({"retracted": "perhaps"}, ("its retracted must be True or False, not a str",)),
        ({"slices": ["NL"]}, ("its slices must be a mapping of names to values, not a list of 1",)),
    ],
)
def test_what_an_outcome_says_beside_its_actual_is_checked(
    service: Service, caplog: pytest.LogCaptureFixture, options: dict[str, Any], facts: Facts
) -> None:
    service.model().outcome("A-1", 1, **options)

    assert service.outcomes() == []
    assert lacking(caplog.text, *facts) == []


RULES = driftline.Privacy(deny=("ssn",), hash=("email",), round={"age": 10}, key="a key of 16 bytes or more")


def test_slices_of_an_outcome_leave_by_the_rules_of_predictions(service: Service) -> None:
    said = {"ssn": "078-05-1120", "email": "ann@example.com", "age": 61, "region": "NL"}
    model = service.model(privacy=RULES)
    model.outcome("A-1", 1, slices=said)

    (table,) = service.outcomes()
    left = {name: list_of(column) for name, column in table.slices.items()}
    rejected: list[driftline.Rejection] = []
    ((_, row),) = outcomes._usable(model._identity, [{"id": "A-1", "actual": 1, "slices": said}], rejected)
    frame = pd.DataFrame([{"id": "A-1", "actual": 1} | {f"slice.{name}": value for name, value in said.items()}])
    assert list(outcomes._usable(model._identity, frame, rejected)) == [(0, row)]
    assert left == {name: [value] for name, value in row["slices"].items()}
    assert set(left) == {"email", "age", "region"}
    assert left["age"] == [60.0]
    assert len(left["email"][0]) == 16


def test_a_frame_of_outcomes_has_columns_for_everything(service: Service) -> None:
    frame = pd.DataFrame(
        {
            "id": ["a", "b"],
            "actual": [1.0, np.nan],
            "item": ["shoe", None],
            "value": [2.5, np.nan],
            "retracted": [False, True],
            "slice.region": ["NL", None],
            "note": ["x", "y"],
        }
    )
    rejected: list[driftline.Rejection] = []

    def rows(given: Any) -> list[dict[str, Any]]:
        return [row for _, row in outcomes._usable(service.model()._identity, given, rejected)]

    assert rows(frame) == [
        {"id": "a", "actual": 1.0, "item": "shoe", "value": 2.5, "slices": {"region": "NL"}},
        {"id": "b", "actual": None, "retracted": True},
    ]
    assert rows({"id": ["a"], "retracted": [True]}) == [{"id": "a", "actual": None, "retracted": True}]


def test_slices_that_are_no_mapping_are_rejected_without_a_value(service: Service) -> None:
    rejected: list[driftline.Rejection] = []
    given = [{"id": "a", "actual": 1, "slices": ["078-05-1120"]}]
    assert list(outcomes._usable(service.model()._identity, given, rejected)) == []
    ((index, reason),) = [(one.index, one.reason) for one in rejected]
    assert (index, "078" in reason) == (0, False)
