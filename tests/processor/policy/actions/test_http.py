"""Requests of HTTP: what is sent, and that no fact of a message gets out of its place in it."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from driftline_processor.config.schema import load
from driftline_processor.demo.peers.recorder import Asked, service
from driftline_processor.policy.action import ActionChannel

from tests.support.ordered_actions import ALERT, FACTS, REPORT, REPORTING, action, carried_out, order

NAME = "http/rollback"


def answered(status: int, said: Any = None) -> Any:
    def answers(_: Asked) -> tuple[int, Any]:
        return status, said

    return answers


def test_the_message_is_sent_with_its_key_where_no_body_is_written() -> None:
    with service(answered(202)) as there:
        answer = carried_out(NAME, url=f"{there.url}/hook", headers={"Authorization": "Bearer secret-7"})
    (asked,) = there.asked
    assert (answer.result, answer.detail) == ("delivered", "HTTP 202")
    assert (asked.method, asked.path) == ("POST", "/hook")
    assert asked.headers["idempotency-key"] == f"{ALERT}-http/rollback"
    assert asked.headers["authorization"] == "Bearer secret-7"
    assert asked.headers["content-type"] == "application/json"
    assert asked.json == {"id": f"{ALERT}-http/rollback", **FACTS, "kind": "opened"}


def test_facts_are_escaped_in_the_address_and_in_the_body() -> None:
    body = {"reason": "{title}: {model}", "tier": "{tier}", "until": "{until}", "links": ["{page}", "{trace}"]}
    with service(answered(200)) as there:
        carried_out(NAME, url=there.url + "/models/{model}/tiers/{tier}?by={owner}", method="PUT", body=body)
    (asked,) = there.asked
    assert asked.method == "PUT"
    assert asked.path == "/models/ch%22urn%20%7Bstate%7D%2Feu/tiers/1"
    assert asked.query == {"by": "payments"}
    assert asked.json == {
        "reason": 'churn is degraded since 4 November 2026: ch"urn {state}/eu',
        "tier": 1,
        "until": None,
        "links": ["http://127.0.0.1:8780/models/churn?window=1d", ""],
    }


@pytest.mark.parametrize("model", [".", "..", "%2e%2E"])
def test_a_model_whose_name_is_a_step_up_leads_to_no_other_place(model: str) -> None:
    with service(answered(200)) as there:
        answer = carried_out(NAME, facts={"model": model}, url=there.url + "/models/{model}/rollback")
    if "%" in model:  # it is a name as any other, since its percent signs are escaped
        assert [asked.path for asked in there.asked] == ["/models/%252e%252E/rollback"]
    else:
        said = "a part of the path is '.' or '..', which would change the target of the request"
        assert (answer.result, answer.detail, there.asked) == ("refused", said, [])


def test_facts_that_are_a_step_up_together_lead_to_no_other_place() -> None:
    with service(answered(200)) as there:
        url = there.url + "/models/{model}{owner}/rollback"
        answer = carried_out(NAME, facts={"model": ".", "owner": "."}, url=url)
    assert (answer.result, there.asked) == ("refused", [])


def test_an_action_may_be_called_in_any_letters() -> None:
    with service(answered(200)) as there:
        assert carried_out("http/Zurück", url=there.url).result == "delivered"
    (asked,) = there.asked
    assert asked.headers["idempotency-key"] == f"{ALERT}-http/Zur%C3%BCck"


def test_a_text_is_sent_as_it_is_and_a_header_says_what_it_is() -> None:
    headers = {"content-type": "text/csv", "idempotency-key": "mine"}
    with service(answered(200)) as there:
        carried_out(NAME, url=there.url, body="{model},{version},{{x}}", headers=headers)
    (asked,) = there.asked
    assert asked.body == b'ch"urn {state}/eu,7,{x}'
    assert (asked.headers["content-type"], asked.headers["idempotency-key"]) == ("text/csv", "mine")


def test_a_request_that_reads_has_no_body() -> None:
    with service(answered(200)) as there:
        carried_out(NAME, url=there.url, method="GET")
    (asked,) = there.asked
    assert (asked.body, "content-type" in asked.headers) == (b"", False)


@pytest.mark.parametrize(
    ("status", "result"),
    [(204, "delivered"), (302, "put_off"), (404, "refused"), (401, "put_off"), (409, "put_off"), (503, "put_off")],
)
def test_the_status_says_what_became_of_it(status: int, result: str) -> None:
    with service(answered(status)) as there:
        assert carried_out(NAME, url=there.url).result == result


def test_what_a_service_says_is_quoted_without_what_is_secret() -> None:
    said = "no token secret-7 for /hooks/T0123456 Bearer secret-7"
    with service(answered(403, said)) as there:
        url = f"{there.url}/hooks/T0123456"
        answer = carried_out(NAME, url=url, headers={"Authorization": "Bearer secret-7"})
    assert answer.result == "put_off"
    assert "secret-7" not in answer.detail
    assert "T0123456" not in answer.detail
    assert answer.detail == "HTTP 403 no token *** for /hooks/*** ***"


def test_nobody_there_is_put_off_and_the_address_is_not_said() -> None:
    answer = carried_out(NAME, url="http://user12:secret12@127.0.0.1:9/hooks/T0123456")
    assert answer.result == "put_off"
    assert "ConnectError" in answer.detail
    assert all(one not in answer.detail for one in ("secret12", "T0123456"))


def test_an_answer_that_takes_too_long_is_put_off() -> None:
    asked = threading.Event()

    def answers(_: Asked) -> tuple[int, Any]:
        asked.wait(30)
        return 200, None

    with service(answers) as there:
        answer = carried_out(NAME, url=there.url, timeout="50ms")
        asked.set()
    assert (answer.result, answer.detail.partition(":")[0]) == ("put_off", "ReadTimeout")


def test_a_dry_run_says_what_it_would_send_and_sends_nothing() -> None:
    with service(answered(200)) as there:
        url = there.url + "/hooks/T0123456"
        answer = carried_out(NAME, url=url, dry_run=True, headers={"X": "secret-7"}, body={"model": "{model}"})
    assert there.asked == []
    assert answer.result == "dry_run"
    said = json.dumps({"model": FACTS["model"]})
    assert "POST 127.0.0.1" in answer.detail
    assert answer.detail.endswith(said)
    assert "T0123456" not in answer.detail


def test_a_dry_run_hides_what_came_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", 'hunter "2"')
    file = tmp_path / "driftline.yaml"
    file.write_text('actions: {http/a: {url: "https://h/", dry_run: true, body: {key: "${env:TOKEN}"}}}\n')
    made = ActionChannel(load(file).actions["http/a"])
    answer = made.send(order("http/a"))
    made.close()
    assert answer.detail.endswith('{"key": "***"}')


def test_the_report_is_a_part_of_the_form_beside_the_message() -> None:
    keys: dict[str, Any] = {"attach": "report", "body": {"model": "{model}"}, "headers": {"Authorization": "secret-7"}}
    with service(answered(200)) as there, action(NAME, REPORTING, url=there.url, **keys) as made:
        answer = made.send(order(NAME))
    (asked,) = there.asked
    assert answer.detail == "HTTP 200"
    assert asked.headers["idempotency-key"] == f"{ALERT}-{NAME}"
    assert asked.headers["authorization"] == "secret-7"
    assert asked.form == {
        "message": (None, "application/json", json.dumps({"model": FACTS["model"]}).encode()),
        "report": (REPORT.name, "text/html", REPORT.html),
    }


def test_a_message_goes_without_a_report_that_there_is_not() -> None:
    with service(answered(200)) as there, action(NAME, url=there.url, attach="report") as made:
        assert made.send(order(NAME)).detail == "HTTP 200, without a report, because there is none"
    assert [*there.asked[0].form] == ["message"]
