"""Rows to label: drawn from the alert's window, and written or sent once for a message."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from driftline.tables.table import ModelKey
from driftline_processor.config.schema import Config
from driftline_processor.demo.peers.recorder import service
from driftline_processor.policy.action import ActionChannel
from driftline_processor.policy.channel import Answer
from driftline_processor.policy.message import Message
from driftline_processor.policy.sources import RowsToLabel, Sources
from driftline_processor.queries.label_queue import LabelBatch, LabelCandidate

from tests.support.facts import lacking
from tests.support.ordered_actions import ALERT, order

NAME = "label_queue/team"
FILE = f"label-{ALERT}-label_queue-team.csv"
KEY = ModelKey("../ch\ud800urn", "7", "")


def batch(*ids: str) -> LabelBatch:
    return LabelBatch(tuple(LabelCandidate(id, 0, float("nan"), "1", {}, {"weak": 0.5}, 0.25) for id in ids), (), 9)


class Queue:
    """What is drawn.

    Attributes:
        found: Of every draw.
        asked: How many rows were asked for, by each draw.
    """

    def __init__(self, found: LabelBatch | None) -> None:
        self.found, self.asked = found, list[int]()

    def __call__(self, _: Message, most: int) -> RowsToLabel | None:
        self.asked.append(most)
        return None if self.found is None else RowsToLabel(KEY, self.found)


def sent(queue: Queue, *messages: Message, **keys: Any) -> list[Answer]:
    """Return what becomes of messages."""
    config = Config.model_validate({"actions": {NAME: keys}, "storage": {}})
    assert [*map(str, config.problems())] == []
    made = ActionChannel(config.actions[NAME], Sources(lambda _: None, queue))
    try:
        return [made.send(message) for message in messages]
    finally:
        made.close()


def test_the_rows_are_one_file_for_a_message_also_where_it_comes_twice(tmp_path: Path) -> None:
    queue, folder = Queue(batch("a", "b,1")), tmp_path / "to" / "label"
    answers = sent(queue, order(NAME), order(NAME), directory=str(folder), rows=50)
    assert [(one.result, one.detail) for one in answers] == [
        ("delivered", f"2 rows to label: {folder / FILE}"),
        ("delivered", f"{folder / FILE} already exists"),
    ]
    assert queue.asked == [50]
    assert [one.name for one in folder.iterdir()] == [FILE]
    rows = [*csv.DictReader(io.StringIO((folder / FILE).read_text()))]
    assert rows == [
        {"id": "a", "prediction_time": "0", "weight": "4.0", "actual": ""},
        {"id": "b,1", "prediction_time": "0", "weight": "4.0", "actual": ""},
    ]


def test_a_file_that_was_half_written_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / f".{FILE}.part").write_text("id,predic")
    sent(Queue(batch("a")), order(NAME), directory=str(tmp_path))
    assert [one.name for one in tmp_path.iterdir()] == [FILE]


def test_a_link_that_lies_in_the_folder_is_not_followed(tmp_path: Path) -> None:
    other, folder = tmp_path / "passwords", tmp_path / "to_label"
    other.write_text("root")
    folder.mkdir()
    (folder / f".{FILE}.part").symlink_to(other)
    (answer,) = sent(Queue(batch("a")), order(NAME), directory=str(folder))
    assert (answer.result, other.read_text()) == ("delivered", "root")
    assert not (folder / FILE).is_symlink()


def test_a_model_whose_name_is_a_step_up_leads_to_no_other_place() -> None:
    with service(lambda _: (202, None)) as there:
        (answer,) = sent(Queue(batch("a")), order(NAME, model=".."), url=there.url + "/queues/{model}/rows")
    assert (answer.result, there.asked) == ("refused", [])


def test_a_document_has_what_the_api_answers(tmp_path: Path) -> None:
    sent(Queue(batch("a")), order(NAME), directory=str(tmp_path), format="json")
    (found,) = tmp_path.iterdir()
    assert found.suffix == ".json"
    assert json.loads(found.read_text()) == {
        "model": KEY.model,
        "version": "7",
        "environment": "",
        "candidates": 9,
        "rows": [
            {
                "id": "a",
                "time": "1970-01-01T00:00:00Z",
                "score": None,
                "predicted": "1",
                "slices": {},
                "reasons": {"weak": 0.5},
                "weight": 4.0,
            }
        ],
        "labelled": [],
    }


@pytest.mark.parametrize(
    ("form", "kind", "first"), [("csv", "text/csv", "id"), ("spreadsheet", "text/csv", "'id"), ("json", None, "{")]
)
def test_rows_are_sent_with_the_key_of_the_message(form: str, kind: str | None, first: str) -> None:
    with service(lambda _: (202, None)) as there:
        url, headers = there.url + "/queues/{model}", {"Authorization": "Bearer secret-7"}
        (answer,) = sent(Queue(batch("a")), order(NAME), url=url, headers=headers, format=form)
    (asked,) = there.asked
    assert (answer.result, answer.detail) == ("delivered", "1 row to label: HTTP 202")
    assert (asked.method, asked.path) == ("POST", "/queues/ch%22urn%20%7Bstate%7D%2Feu")
    assert asked.headers["idempotency-key"] == f"{ALERT}-{NAME}"
    assert asked.headers["authorization"] == "Bearer secret-7"
    assert asked.headers["content-type"] == (kind or "application/json")
    assert asked.body.decode().startswith(first)


def test_nothing_to_label_writes_nothing(tmp_path: Path) -> None:
    (answer,) = sent(Queue(batch()), order(NAME), directory=str(tmp_path))
    assert (answer.result, answer.detail) == ("delivered", "no prediction is waiting for a label")
    assert [*tmp_path.iterdir()] == []


def test_a_model_that_is_gone_is_refused(tmp_path: Path) -> None:
    (answer,) = sent(Queue(None), order(NAME), directory=str(tmp_path))
    assert (answer.result, answer.detail) == ("refused", 'there are no stored rows of ch"urn {state}/eu')


def test_a_folder_that_cannot_be_written_puts_it_off(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (answer,) = sent(Queue(batch("a")), order(NAME), directory=str(tmp_path / "file" / "below"))
    assert answer.result == "put_off"
    assert answer.detail.endswith("Not a directory")


def test_a_dry_run_draws_nothing(tmp_path: Path) -> None:
    queue = Queue(batch("a"))
    (answer,) = sent(queue, order(NAME), directory=str(tmp_path), dry_run=True)
    assert (queue.asked, [*tmp_path.iterdir()]) == ([], [])
    assert lacking(answer.detail, "100 rows", 'ch"urn {state}/eu', str(tmp_path), FILE) == []
