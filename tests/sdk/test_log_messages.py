"""What Driftline says is seen in a program that never set up logging, and said once in one that did."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
