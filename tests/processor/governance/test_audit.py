"""All that was done: in the order of time, by whom and why, as a page, as JSON and in the terminal."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from driftline_processor.cli.commands import app as commands
from driftline_processor.core.audit_chain import START, anchor, hash_document
from driftline_processor.governance.audit import KINDS
from driftline_processor.policy.acknowledgement import acknowledge
from driftline_processor.policy.alerts import Delivery, attempt_entry
from driftline_processor.state import State
from driftline_processor.store.database import Store
from driftline_processor.store.database import run as run_statement
from driftline_processor.web.pages.audit import KIND_WORDS
from starlette.testclient import TestClient
from typer.testing import CliRunner

from tests.support.approvals import ACTION, Awaiting, awaiting
from tests.support.fake_view import app_of
from tests.support.html_page import page
from tests.support.policy_watch import model, silence, watched
from tests.support.serve import serve
from tests.support.state_rows import HOUR, NOON, Clock, Opened, config, predictions
from tests.support.verdict_windows import right, wrong

ROOT = Path(__file__).parents[3]
SECOND = 10**9


def rolled_back(there: Awaiting) -> None:
    """Have ann take the alert on, bob approve the action, its service answer, and cid approve a retraining."""
    watch = there.watch
    watch.clock.now += SECOND
    acknowledge(watch.alerts, {}, there.alert, "ann", "<b>on it", watch.clock.now)
    watch.clock.now += SECOND
    watch.approve(there.alert, ACTION, "bob", "the feed is fine")
    watch.clock.now += SECOND
    (order,) = watch.alerts.messages.values()
    (alert,) = watch.alerts.alerts.values()
    for answer in (("put_off", "HTTP 503"), ("delivered", "HTTP 200")):
        watch.audit.append(attempt_entry(order, alert, *answer, watch.clock.now))
    watch.alerts.write([], deliveries=[Delivery(order.id, watch.clock.now, "delivered", "HTTP 200")])
    watch.clock.now += SECOND
    watch.decisions.record("late", "", "retraining", "cid", "prices changed", watch.clock.now)


def test_an_action_is_seen_from_the_alert_to_its_answer(tmp_path: Path) -> None:
    with awaiting(tmp_path) as there:
        rolled_back(there)
        found, count = there.watch.audit.entries()
    assert [(one.kind, one.subject, one.words, one.by) for one in reversed(found)] == [
        ("fired", "health", "fired, critical", ""),
        ("ordered", ACTION, "action: opened", ""),
        ("acknowledged", "health", "acknowledged", "ann"),
        ("approved", ACTION, "approved", "bob"),
        ("attempted", ACTION, "opened: put off", ""),
        ("attempted", ACTION, "opened: delivered", ""),
        ("decided", "retraining", "retraining approved", "cid"),
    ]
    assert [one.why for one in reversed(found)][2:] == [
        *("<b>on it", "the feed is fine", "HTTP 503", "HTTP 200", "prices changed")
    ]
    assert count == 7
    assert {one.alert for one in found} == {there.alert, ""}


def test_model_and_kind_choose_and_a_silence_stands_with_each_model_that_it_covers(tmp_path: Path) -> None:
    later = silence(since="2033-01-01T00:00:00Z", until="2033-02-01T00:00:00Z")
    silences = {"move": silence(models=["la*"], policies=["health"]), "later": later}
    with watched(tmp_path, silences=silences) as watch:
        watch.look(model([right(0)]), model([right(0)], "early"))
        watch.look(model([right(0), wrong(1), wrong(2)]), model([right(0), wrong(1), wrong(2)], "early"))
        (late, _), (early, _) = watch.audit.entries("late"), watch.audit.entries("early")
        told, _ = watch.audit.entries(kinds=["notified"])
    with watched(tmp_path, silences=silences) as again:
        listed, _ = again.audit.entries(kinds=["silenced"])
    assert [(one.kind, one.model, one.words) for one in late] == [
        ("fired", "late", "fired, critical"),
        ("silenced", "*", "no notifications until 1 February 2033, from 1 January 2033"),
        ("silenced", "la*", "no notifications of health until 5 July 2013, from 1 July 2013"),
    ]
    assert [one.subject for one in listed] == ["later", "move"]
    assert [one.kind for one in early] == ["notified", "fired", "silenced"]
    assert [(one.model, one.subject) for one in told] == [("early", "json")]


def test_the_page_names_who_did_what_and_escapes_what_people_wrote(tmp_path: Path) -> None:
    with awaiting(tmp_path) as there:
        rolled_back(there)
        client = TestClient(there.app)
        shown = page(client, "/audit")
        assert "Audit log 7" in shown.text
        assert "http/rollback approved bob the feed is fine" in shown.text
        assert f"/alerts/{there.alert}" in shown.links
        assert "&lt;b&gt;on it" in client.get("/audit").text
        assert "Audit log 1" in page(client, "/audit?model=late&kind=decided").text
        assert [tag for tag in page(client, "/audit?model=other").tags if tag == "tbody"] == []
        rows = client.get("/audit?format=json&kind=approved").json()["entries"]
        answer = client.get("/api/v1/audit?limit=1").json()
        assert rows == client.get("/api/v1/audit?kind=approved").json()["entries"]
        assert (answer["all"], [one["by"] for one in answer["entries"]]) == (7, ["cid"])
        refused = client.get("/api/v1/audit?kind=approve")
        assert (refused.status_code, "did you mean 'approved'?" in refused.json()["error"]) == (400, True)


@pytest.mark.slow
def test_the_terminal_lists_the_same_with_the_newest_last(tmp_path: Path) -> None:
    with awaiting(tmp_path) as there, serve(there.app) as url:
        rolled_back(there)
        run = CliRunner().invoke
        listed = run(commands, ["audit", "list", "--url", url, "--limit", "4"]).output.splitlines()
        whole = json.loads(run(commands, ["audit", "list", "--url", url, "--json"]).output)
        none = run(commands, ["audit", "list", "--url", url, "--model", "other"]).output
    assert [line.partition("Z  ")[2] for line in listed] == [
        f"approved  late  http/rollback approved; bob: the feed is fine  alert {there.alert}",
        f"attempted  late  http/rollback opened: put off: HTTP 503  alert {there.alert}",
        f"attempted  late  http/rollback opened: delivered: HTTP 200  alert {there.alert}",
        "decided  late  retraining retraining approved; cid: prices changed",
    ]
    assert (len(whole["entries"]), none) == (7, "the audit log has no such entries\n")


@pytest.mark.slow
def test_an_exported_log_is_verified_and_a_changed_one_is_not(tmp_path: Path) -> None:
    with awaiting(tmp_path / "state") as there, serve(there.app) as url:
        rolled_back(there)
        file, head = tmp_path / "audit.jsonl", str(there.watch.audit.head)

        def verify(*arguments: str) -> tuple[int, str]:
            result = CliRunner().invoke(commands, ["audit", "verify", "--url", url, *arguments])
            return result.exit_code, result.output

        assert CliRunner().invoke(commands, ["audit", "export", "-o", str(file), "--url", url]).output == (
            f"{file}: head {head}\n"
        )
        intact = 0, f"7 entries, head {head}\nthe chain is intact\n"
        assert verify() == verify("--head", head) == verify(str(file)) == intact
        lines = file.read_text().splitlines(keepends=True)
        file.write_text("".join(lines[:-1]))
        assert verify(str(file))[0] == 0
        assert verify(str(file), "--head", head)[0] == 1
        data = bytearray("".join(lines).encode())
        for place in range(0, len(data), 97):  # one flipped bit anywhere
            file.write_bytes(bytes([*data[:place], data[place] ^ 4, *data[place + 1 :]]))
            code, said = verify(str(file))
            broken = data[:place].count(b"\n") + 1
            assert (code, f"broken at entry {broken}:" in said) == (1, True) or (broken == 1 and code == 2), said
        assert verify(str(tmp_path / "none"))[0] == verify("--head", "7")[0] == 2
        code, said = verify("--head", "")
        assert (code, "--head: '' is not SEQUENCE:HASH" in said) == (2, True), "an unset variable"


@pytest.mark.parametrize(
    ("text", "head", "code", "output"),
    [
        ("", None, 2, "has no entries; use --head to detect that entries were removed"),
        ("", f"3:{'a' * 64}", 1, "broken at entry 1: the log ends before entry 3"),
        ("one removed", None, 1, "broken at entry 3: no entry says that entries 3 to 3 were removed"),
        ("one noted", None, 0, "5 entries, head 6:HASH\n1 entry was removed (storage.audit): 3 to 3\nthe chain is"),
        ("one", None, 0, "1 entry, head 1:HASH\nthe chain is intact"),
    ],
)
def test_a_removal_is_attributed_to_the_limits_only_if_an_entry_notes_it(
    tmp_path: Path, text: str, head: str | None, code: int, output: str
) -> None:
    documents: list[dict[str, Any]] = []

    def add(**fields: object) -> None:
        previous = documents[-1]["hash"] if documents else START
        document = {"sequence": len(documents) + 1, "previous": previous, "kind": "decided", **fields}
        documents.append({**document, "hash": hash_document(document)})

    for _ in range(5):
        add()
    add(kind="pruned", subject=anchor(3, documents[2]["hash"]), digests=[documents[1]["hash"]])
    kept = {
        "": [],
        "one": documents[:1],
        "one removed": [*documents[:2], *documents[3:5]],
        "one noted": [*documents[:2], *documents[3:]],
    }[text]
    file = tmp_path / "audit.jsonl"
    file.write_text("".join(f"{json.dumps(document)}\n" for document in kept))
    arguments = [str(file), *(() if head is None else ("--head", head))]
    result = CliRunner().invoke(commands, ["audit", "verify", *arguments])
    assert (result.exit_code, output in re.sub("[0-9a-f]{64}", "HASH", result.output)) == (code, True), result.output
    assert ("removed (storage.audit)" in result.output) == (text == "one noted")


OLD = f"""
INSERT INTO alerts BY NAME SELECT 'a1' AS id, 'health' AS policy, 'late' AS model, '' AS environment, '1' AS version,
    'critical' AS severity, '' AS owner, '' AS state, {NOON + 5} AS fired, {NOON + 6} AS first_seen,
    {NOON + 9} AS resolved, '1d' AS "window", {NOON + 5} AS "start", 'It is wrong' AS words,
    {NOON + 7} AS acknowledged, 'ann' AS acknowledged_by, 'on it' AS why, '' AS notified_state,
    []::VARCHAR[] AS subjects, '' AS ending;
INSERT INTO messages BY NAME SELECT 'm1' AS id, 'a1' AS alert, 'http/rollback' AS channel, 'opened' AS kind,
    {NOON + 6} AS created, '{{}}' AS facts, ['a1'] AS alerts, 1 AS incident, '' AS verdict;
INSERT INTO deliveries BY NAME SELECT 'm1' AS message, {NOON + 8} AS "time", 'delivered' AS result,
    'HTTP 200' AS detail, '' AS reference;
INSERT INTO approvals BY NAME SELECT 'm1' AS message, {NOON + 7} AS "time", 'bob' AS "by", 'go' AS why;
INSERT INTO decisions BY NAME SELECT 'd1' AS id, 'late' AS model, '' AS version, 'retraining' AS kind, 'cid' AS "by",
    'drift' AS why, {NOON + 10} AS "time";
DELETE FROM audit;
"""
"""What a state of before the audit log holds about a rollback."""


def test_an_upgrade_imports_once_what_the_older_state_knows(tmp_path: Path) -> None:
    store = Store(tmp_path)
    run_statement(store.connect(), OLD)
    store.close()
    for _ in range(2):
        state = State(config(tmp_path), clock=Clock(NOON + HOUR))
        entries, _ = state.audit_log.entries()
        state.stop()
    assert [(one.time - NOON, one.kind, one.by) for one in reversed(entries)][1:] == [
        (6, "fired", ""),
        (6, "ordered", ""),
        (7, "acknowledged", "ann"),
        (7, "approved", "bob"),
        (8, "answered", ""),
        (9, "resolved", ""),
        (10, "decided", "cid"),
    ]
    assert (entries[-1].kind, entries[-1].words) == (
        "imported",
        "7 entries of before the audit log was introduced follow",
    )


def test_a_deleted_model_keeps_its_trail_with_the_approval_and_the_deletion(tmp_path: Path) -> None:
    store = Store(tmp_path)
    run_statement(store.connect(), OLD)
    store.close()
    state = State(config(tmp_path), clock=Clock(NOON + HOUR))
    state.start()
    Opened(state).send(predictions(["a-1"], NOON, model="late"))
    client = TestClient(app_of(state))
    before = client.get("/api/v1/audit?model=late").json()["entries"]
    assert client.delete("/v1/models?model=late", headers={"x-person": "eve"}).status_code == 200
    after = client.get("/api/v1/audit?model=late").json()["entries"]
    state.stop()
    assert [(one["kind"], one["by"], one["how"]) for one in after[:2]] == [
        ("erased", "eve", "token"),
        ("erasure_ordered", "eve", "token"),
    ]
    assert after[2:] == before
    assert "approved" in [one["kind"] for one in before]


def test_every_kind_has_its_words_on_the_page_and_a_row_in_the_documentation() -> None:
    text = (ROOT / "docs/deploy/audit.md").read_text()
    assert [kind for kind in KINDS if f"`{kind}`" not in text or kind not in KIND_WORDS] == []
