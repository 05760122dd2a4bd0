"""One line says what broke inside, also in a program that never set up logging, and every time is counted."""

# ruff: noqa: ARG005 - functions that predict the same whatever they are given

from __future__ import annotations

import re
import subprocess
import sys

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
        *(
            f"driftline: internal error in row ({kind} at an unknown line); predictions are not affected, and further "
            "errors are only counted"
            for kind in ("ValueError", "KeyError")
        ),
        "driftline: LookupError was raised at tests.sdk.test_faults:N, which Driftline called (row, "
        "driftline.inputs.row:N); predictions are not affected, but what it reads there is missing, and further errors "
        "are only counted",
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


SAY = """
import logging, driftline
from driftline.faults import logger
driftline.configure("shop")
driftline.configure("shop")
logger.info("driftline: read a dict")
{later}
logger.info("driftline: nothing listens")
"""


def said(later: str = "", first: str = "") -> list[str]:
    environment = {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "PATH": ""}
    command = [sys.executable, "-c", first + SAY.format(later=later)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    return done.stderr.splitlines()


@pytest.mark.slow
def test_without_logging_set_up_lines_go_to_stderr() -> None:
    assert said() == ["driftline: read a dict", "driftline: nothing listens"]


@pytest.mark.slow
def test_logging_that_is_set_up_later_says_the_rest_once() -> None:
    later = "logging.basicConfig(level=logging.INFO, format='%(name)s|%(message)s')"
    assert said(later) == ["driftline: read a dict", "driftline|driftline: nothing listens"]


def test_a_stderr_that_was_replaced_meanwhile_is_left_alone() -> None:
    """As pytest does, where a module under test sets Driftline up when it is imported."""
    first = "import io, sys; real, sys.stderr = sys.stderr, io.StringIO()"
    assert said("sys.stderr.close(); sys.stderr = real", first) == ["driftline: nothing listens"]
