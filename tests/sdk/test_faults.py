"""One line says what broke inside, and every time is counted; ``test_internal_failures.py`` breaks everything."""

# ruff: noqa: ARG005 - functions that predict the same whatever they are given

from __future__ import annotations

import re

import pytest
from driftline.capture import call
from driftline.faults import FAULTS, Faults
from driftline.inputs.row import clean

from tests.support.service import Service, returns


class Hostile:
    """A value that says what it holds when it is read as a number."""

    def __float__(self) -> float:
        raise LookupError("078-05-1120")


def test_a_fault_is_logged_once_a_kind_and_counted_always(caplog: pytest.LogCaptureFixture) -> None:
    faults = Faults()
    for error in (ValueError("a"), ValueError("b"), KeyError("c")):
        faults.swallow("row", error)
    try:
        clean((Hostile(),))
    except LookupError as error:
        faults.swallow("row", error)

    assert faults.drain() == {"ValueError": 2, "KeyError": 1, "LookupError": 1}
    assert faults.drain() == {}
    told = [re.sub(r"\d+", "N", record.getMessage()) for record in caplog.records]
    assert told == [
        f"driftline: internal error in row ({what}); predictions are not affected, and further errors are only counted"
        for what in (
            "ValueError at an unknown line",
            "KeyError at an unknown line",
            "LookupError at driftline.inputs.row:N",
        )
    ]
    assert "078-05-1120" not in caplog.text


def test_faults_are_counted_through_the_applications_meters(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FAULTS, "raising", False)
    counted: list[tuple[str, int]] = []
    monkeypatch.setattr("driftline.export.pipeline.count_own", lambda _, faults: counted.extend(faults.items()))
    monkeypatch.setattr(call, "take_inputs", lambda *args: 1 / 0)
    score = service.model().predict(returns(0.5))
    score({"x": 1.0})
    service.flush()

    assert counted == [("ZeroDivisionError", 1)]
