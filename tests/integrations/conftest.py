"""Tests of integrations run as those of the SDK do: internal errors raised, a stopped clock and numbered ids."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from driftline.loss_counters import UNRECORDED
from driftline_integrations import fastapi, flask

from tests.support.sdk_fixtures import _inside as _inside
from tests.support.sdk_fixtures import receiver as receiver
from tests.support.sdk_fixtures import service as service


@pytest.fixture(autouse=True)
def _plain_classes() -> Iterator[None]:
    """Let every test leave the classes of the libraries as it found them."""
    yield
    from driftline_integrations.estimators import calls

    for library in ("", *calls._owners):
        calls.forget_library(library)


@pytest.fixture(autouse=True)
def _plain_applications() -> Iterator[None]:
    """Let no test leave an instrumented application: a mapped route is looked for in all of the process."""
    yield
    for app in list(fastapi._sites):
        fastapi.uninstrument(app)
    for site in list(flask._apps):
        flask.uninstrument(site)


@pytest.fixture
def unrecorded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What is counted as not recorded, in order: model and reason."""
    counted: list[tuple[str, str]] = []
    monkeypatch.setattr(UNRECORDED, "add", lambda what, n=1: counted.append(what))  # noqa: ARG005
    return counted
