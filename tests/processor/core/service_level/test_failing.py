"""When calls fail so much that nobody needs an objective to say so."""

from __future__ import annotations

import numpy as np
import pytest
from driftline.panes.pane import Pane
from driftline.tables.table import Column, ModelKey
from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation, ServiceLevel
from driftline_processor.core.service_level.failing import EARLIER, service_failing, tells_usual
from driftline_processor.core.service_level.level import Calls
from driftline_processor.core.service_level.sums import call_parts
from driftline_processor.core.windows.window import Window

from tests.support.unwrap import of_type, unwrap
from tests.support.verdict_examples import verdict_of_window


def level(calls: int, failed: int, seconds: float = 0.02) -> ServiceLevel:
    errors = Column(codes=np.where(np.arange(calls) < failed, 0, -1).astype(np.int32), categories=("TimeoutError",))
    parts = call_parts(np.full(calls, seconds), errors, None, np.zeros(calls, np.int64), 1)
    found = unwrap(Calls.of(Pane({part: sums.dense(1)[0] for part, sums in parts.items()})))
    return found.level(0.95)


def window(service: ServiceLevel | None, closed: bool = True) -> Evaluation:
    return Evaluation(ModelKey("m"), Window("1d", 0, 86_400 * 10**9), 1_000, closed, service=service)


def hour(service: ServiceLevel, at: int = 0) -> Evaluation:
    start = at * 3_600 * 10**9
    return Evaluation(ModelKey("m"), Window("1h", start, start + 3_600 * 10**9), 1_000, True, service=service)


def test_without_windows_before_only_many_failures_say_so() -> None:
    assert service_failing(window(level(1_000, 60))) is None, "surely less than one in twenty"
    found = unwrap(service_failing(window(level(1_000, 120))))
    assert found.metric == "error_rate"
    assert (found.value, found.calls, found.error) == (0.12, 1_000, "TimeoutError")
    assert [found.low, found.high] == pytest.approx([0.101, 0.142], abs=0.001)
    assert service_failing(window(level(10, 2))) is None, "ten calls cannot tell"


def test_nobody_can_tell_of_an_open_window_or_of_no_calls() -> None:
    assert service_failing(window(level(1_000, 900), closed=False)) is None
    assert service_failing(window(None)) is None


def test_windows_before_say_what_is_usual() -> None:
    usual = [level(5_000, 10)] * EARLIER
    found = unwrap(service_failing(window(level(5_000, 100)), usual))
    assert found.usual == 0.002
    assert service_failing(window(level(5_000, 100)), usual[:-1]) is None, "too few windows say what is usual"
    often = [level(1_000, 150)] * EARLIER
    assert service_failing(window(level(1_000, 160)), often) is None, "as often as ever: nothing has changed"


def test_an_hour_has_its_share_of_the_chance_of_a_day() -> None:
    never = [level(300, 0)] * EARLIER
    assert service_failing(window(level(300, 3)), never) is not None
    assert service_failing(hour(level(300, 3)), never) is None, "chance does that every third day"
    assert service_failing(hour(level(300, 4)), never) is not None
    one = [level(20, 0)] * EARLIER
    assert service_failing(hour(level(20, 1)), one) is None, "one failed call of twenty is no failing service"
    assert service_failing(hour(level(20, 2)), one) is not None
    assert service_failing(hour(level(300, 22))) is None, "no hour before says what is usual"
    assert service_failing(window(level(300, 24))) is not None
    assert service_failing(hour(level(300, 24))) is None
    assert service_failing(hour(level(300, 30))) is not None


def test_an_hour_that_is_suspect_does_not_become_what_is_usual() -> None:
    usual = [level(300, 1)] * EARLIER
    assert tells_usual(hour(level(300, 3)), usual)
    assert not tells_usual(hour(level(300, 6)), usual), "not proven, and not usual either"
    assert service_failing(hour(level(300, 6)), usual) is None
    assert not tells_usual(hour(level(300, 5)), usual)
    assert tells_usual(window(level(300, 5)), usual), "a day says what is usual unless it fails"
    assert not tells_usual(window(level(300, 20)), usual)
    assert not tells_usual(window(level(300, 1), closed=False), usual)
    assert not tells_usual(window(None), usual)


def test_calls_that_take_longer_than_ever_before_are_a_slow_service() -> None:
    usual = [level(500, 0, 0.02)] * EARLIER
    assert service_failing(window(level(500, 0, 0.03)), usual) is None
    found = unwrap(service_failing(window(level(500, 0, 0.2)), usual))
    assert found.metric == "latency_p95"


def test_a_failing_service_makes_a_verdict_wrong_and_says_so() -> None:
    verdict = verdict_of_window(window(level(1_000, 120)))
    assert verdict.state == "degraded"
    assert verdict.metric == "error_rate"
    failing = of_type(verdict.reasons[0], facts.ServiceFailing)
    assert (failing.value, failing.calls) == (0.12, 1_000)
    assert verdict.kind == "service"
    assert verdict_of_window(window(level(1_000, 0))).state == "unknown"
