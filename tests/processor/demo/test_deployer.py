"""The recording deployer switches versions once for each key, as a deployer of somebody's own has to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from driftline_processor.demo.peers.deployer import Deployer
from driftline_processor.demo.peers.recorder import Service, service

BODY = {"from_version": "3", "reason": "fraud has been degraded since 4 May 2026"}


@pytest.fixture
def deployer() -> Deployer:
    return Deployer({"fraud": ["1", "2", "3"], "churn": ["3"]}, token="secret")


@pytest.fixture
def served(deployer: Deployer) -> Iterator[Service]:
    with service(deployer) as listening:
        yield listening


def post(served: Service, path: str, key: str | None = "a", token: str = "secret", **body: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}", **({} if key is None else {"idempotency-key": key})}
    return httpx.post(f"{served.url}{path}", headers=headers, json={**BODY, **body}, trust_env=False)


def version(served: Service, model: str = "fraud") -> str:
    return str(httpx.get(f"{served.url}/models/{model}", trust_env=False).json()["version"])


def test_a_rollback_switches_to_the_version_before_once_for_a_key(served: Service) -> None:
    assert version(served) == "3"
    answers = [post(served, "/models/fraud/rollback") for _ in range(2)]
    assert [(one.status_code, one.json()) for one in answers] == [(202, {"version": "2"})] * 2
    assert version(served) == "2"
    assert post(served, "/models/fraud/rollback", "b", from_version="2").json() == {"version": "1"}
    assert post(served, "/models/fraud/rollback", "a").json() == {"version": "2"}  # as the first time
    assert version(served) == "1"


@pytest.mark.parametrize(
    ("path", "changed", "status"),
    [
        ("/models/other/rollback", {}, 404),
        ("/models/fraud/rollback", {"token": "other"}, 401),
        ("/models/fraud/rollback", {"from_version": "2"}, 409),
        ("/models/churn/rollback", {}, 409),
    ],
)
def test_what_cannot_be_rolled_back_says_why(
    served: Service, path: str, changed: dict[str, str], status: int, deployer: Deployer
) -> None:
    answer = post(served, path, **changed)
    assert (answer.status_code, deployer.serving) == (status, {"fraud": "3", "churn": "3"})
    assert answer.json()["error"]
    assert served.refused == []


def test_a_request_without_a_key_or_with_another_body_is_refused(served: Service, deployer: Deployer) -> None:
    assert post(served, "/models/fraud/rollback", key=None).status_code == 400
    assert post(served, "/models/fraud/rollback", reason="").status_code == 400
    assert post(served, "/models/fraud/canary", share=2).status_code == 400
    assert len(served.refused) == 3
    assert post(served, "/models/fraud/canary", share=0.1).status_code == 202
    assert post(served, "/models/fraud/canary", share=0.2).status_code == 422
    assert (deployer.serving["fraud"], [*deployer.done]) == ("3", ["a"])
