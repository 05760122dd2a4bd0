"""Approving actions over HTTP and on the page: who, why, once."""

from __future__ import annotations

from pathlib import Path

import pytest
from driftline_processor.policy.alerts import Delivery
from starlette.testclient import TestClient

from tests.support.approvals import ACTION, Awaiting, awaiting
from tests.support.html_page import page


def client(there: Awaiting) -> TestClient:
    return TestClient(there.app, base_url="http://127.0.0.1")


def test_who_approves_and_why_is_kept_and_the_action_goes_out_once(tmp_path: Path) -> None:
    with awaiting(tmp_path) as there:
        asked, path = client(there), f"/api/v1/alerts/{there.alert}/approval"
        answer = asked.post(path, data={"action": ACTION, "by": "ann", "why": "the feed is fine"})
        again = asked.post(path, data={"action": ACTION, "by": "bob", "why": "me, too"})
        assert [one.id for one in there.sent] == [f"{there.alert}-{ACTION}"]
    for one in (answer, again):
        (message,) = one.json()["messages"]
        assert (message["channel"], message["result"]) == (ACTION, "waiting")
        assert (message["approved"]["by"], message["approved"]["why"]) == ("ann", "the feed is fine")


@pytest.mark.parametrize(
    ("alert", "form", "status", "said"),
    [
        ("", {"action": ACTION, "why": "x"}, 400, "by: say who approves it"),
        ("", {"action": ACTION, "by": "ann", "why": " "}, 400, "why: say why"),
        ("", {"by": "ann", "why": "x"}, 400, "action: name the action"),
        ("", {"action": ACTION, "by": "ann", "why": "x" * 501}, 400, "why: has more than 500 characters"),
        ("", {"action": "http/other", "by": "ann", "why": "x"}, 404, "no such action of this alert awaits an approval"),
        ("none", {"action": ACTION, "by": "ann", "why": "x"}, 404, "no such action of this alert awaits an approval"),
    ],
)
def test_what_lacks_a_name_or_a_reason_or_an_action_approves_nothing(
    tmp_path: Path, alert: str, form: dict[str, str], status: int, said: str
) -> None:
    with awaiting(tmp_path) as there:
        answer = client(there).post(f"/api/v1/alerts/{alert or there.alert}/approval", data=form)
        assert there.sent == []
    assert answer.status_code == status
    assert said in answer.text


def test_the_page_has_a_button_and_then_who_approved_and_what_came_of_it(tmp_path: Path) -> None:
    with awaiting(tmp_path) as there:
        asked = client(there)
        before = asked.get("/incidents").text
        assert f'action="/api/v1/alerts/{there.alert}/approval"' in before
        assert f'value="{ACTION}"' in before
        assert "opened, http/rollback: awaits approval" in page(asked, "/incidents").text
        there_again = {"accept": "text/html", "referer": "http://127.0.0.1/incidents?state=open"}
        form = {"action": ACTION, "by": "<b>ann</b>", "why": "<script>1</script>"}
        answer = asked.post(
            f"/api/v1/alerts/{there.alert}/approval", data=form, headers=there_again, follow_redirects=False
        )
        assert (answer.status_code, answer.headers["location"]) == (303, "/incidents?state=open")
        (message,) = there.sent
        there.watch.alerts.write((), deliveries=[Delivery(message.id, 7, "delivered", "HTTP 200 <i>")])
        after = asked.get("/incidents").text
    assert "<b>ann" not in after
    assert "<script>1" not in after
    assert "HTTP 200 &lt;i&gt;" in after
    assert "approved by &lt;b&gt;ann" in after
    assert f'value="{ACTION}"' not in after
    assert "T0123456" not in before + after
