"""How often the intervals of latency hold the truth, and objectives and the rule about failing calls are right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from driftline.panes.pane import Pane
from driftline.tables.table import F64, Column, ModelKey
from driftline_processor.core.evaluation import Evaluation, Judgement, ServiceLevel
from driftline_processor.core.performance.objective import read_objective
from driftline_processor.core.performance.service_objectives import judge_service
from driftline_processor.core.performance.settings import PerformanceSettings
from driftline_processor.core.performance.window_outcomes import NOTHING_KNOWN
from driftline_processor.core.service_level.failing import service_failing
from driftline_processor.core.service_level.level import LATENCIES, Calls
from driftline_processor.core.service_level.sums import call_parts
from driftline_processor.core.windows.window import DAY, Window
from scipy.special import ndtri

from simulations.frame import Figures, Random, Table
from simulations.promise import Promise, text

SPREAD = 0.6
"""Standard deviation of the logarithm of latency within a window: the p99 is 4 times the median."""


def pane_of(seconds: F64, failed: int = 0) -> Pane:
    """Return the calls of a window: those that returned, and so many that failed."""
    n = len(seconds) + failed
    codes = np.where(np.arange(n) < failed, 0, -1).astype(np.int32)
    duration = np.concatenate([np.full(failed, 0.001), seconds])
    errors = Column(codes=codes, categories=("TimeoutError",))
    parts = call_parts(duration, errors, None, np.zeros(n, np.int64), 1)
    return Pane({part: sums.dense(1)[0] for part, sums in parts.items()})


def window_of_calls(pane: Pane, *rules: str) -> Evaluation:
    """Return a closed window of these calls, judged by these objectives."""
    evaluation = Evaluation(ModelKey("m"), Window("1d", 0, DAY), 0, True)
    asked = PerformanceSettings(objectives=tuple(map(read_objective, rules)))
    evaluation.objectives = judge_service(evaluation, pane, NOTHING_KNOWN, asked)
    return evaluation


def median_for(metric: str, value: float) -> float:
    """Return the median of calls whose quantile of latency is ``value`` seconds."""
    return float(value / np.exp(SPREAD * ndtri(LATENCIES[metric])))


def missed(metric: str, calls: int) -> Callable[[int, Random], Figures]:
    """Return how often the interval of a quantile does not hold the true one."""

    def measure(windows: int, rng: Random) -> Figures:
        out = 0
        for _ in range(windows):
            truth = float(np.exp(rng.normal(-4, 1)))  # another place among the bins each time
            seconds = rng.lognormal(np.log(median_for(metric, truth)), SPREAD, calls)
            found = Calls.of(pane_of(seconds))
            measured = None if found is None else found.latency(LATENCIES[metric], 0.95)
            assert measured is not None
            assert measured.low is not None
            out += truth < measured.low or (measured.high is not None and truth > measured.high)
        return {"missed": out / windows}

    return measure


def judged(rule: str, truth: float, calls: int, found: Judgement = "broken") -> Callable[[int, Random], Figures]:
    """Return how often an objective is broken and met where its metric is ``truth`` in truth."""
    metric = read_objective(rule).metric

    def measure(windows: int, rng: Random) -> Figures:
        states = []
        for _ in range(windows):
            if metric in LATENCIES:
                pane = pane_of(rng.lognormal(np.log(median_for(metric, truth)), SPREAD, calls))
            else:
                pane = pane_of(np.full(calls - (failed := int(rng.binomial(calls, truth))), 0.02), failed)
            states.append(window_of_calls(pane, rule).objectives[0].state)
        shares = {state: states.count(state) / windows for state in ("broken", "met")}
        return {**shares, "found": states.count(found) / windows}

    return measure


@dataclass(frozen=True)
class Service:
    """Windows of so many calls, whose failures and latency differ from window to window by themselves.

    ``uneven``: standard deviation of the logarithm of the rate of failures, ``days`` that of latency. ``worse`` and
    ``slower``: how many times the last window fails as often, and takes as long.
    """

    calls: int
    before: int
    rate: float = 0.002
    uneven: float = 0.5
    days: float = 0.2
    worse: float = 1.0
    slower: float = 1.0

    def window(self, rng: Random, worse: float = 1.0, slower: float = 1.0) -> Evaluation:
        """Draw a window."""
        rate = min(1.0, self.rate * worse * np.exp(rng.normal(0, self.uneven)))
        failed = int(rng.binomial(self.calls, rate))
        middle = 0.02 * slower * np.exp(rng.normal(0, self.days))
        return window_of_calls(pane_of(rng.lognormal(np.log(middle), SPREAD, self.calls - failed), failed))

    def measure(self, windows: int, rng: Random) -> Figures:
        """Return how often the last window is called failing."""
        out = 0
        for _ in range(windows):
            levels = [self.window(rng).service for _ in range(self.before)]
            known: list[ServiceLevel] = [level for level in levels if level is not None]
            out += service_failing(self.window(rng, self.worse, self.slower), known) is not None
        return {"alarm": out / windows, "found": out / windows}


def _claims() -> Iterator[Promise]:
    for metric, sizes in (("latency_p50", (20, 1_000)), ("latency_p95", (200, 5_000)), ("latency_p99", (400, 10_000))):
        for calls in sizes:
            what = f"the interval of {metric} in {calls:,} calls"
            yield Promise(f"calls-{metric}-{calls}", missed(metric, calls), 4_000, what, 60, most=0.05, rare="missed")
    edge = "latency_p99 <= 100ms"
    yield Promise(
        "calls-p99-edge", judged(edge, 0.1, 5_000), 4_000, f"{edge}: just so in truth", 60, most=0.025, rare="broken"
    )
    yield Promise("calls-p99-edge-met", judged(edge, 0.1, 5_000), 4_000, f"{edge}: just so", 60, most=0.025, rare="met")
    what = f"{edge}: 130 ms in truth, 5,000 calls"
    yield Promise("calls-p99-broken", judged(edge, 0.13, 5_000), 1_000, what, 30, least=0.9)
    what = f"{edge}: 80 ms in truth, 5,000 calls"
    yield Promise("calls-p99-met", judged(edge, 0.08, 5_000, "met"), 1_000, what, 30, least=0.9)
    edge = "error_rate <= 0.1 %"
    what = f"{edge}: just so in truth, 20,000 calls"
    yield Promise("calls-errors-edge", judged(edge, 0.001, 20_000), 4_000, what, 60, most=0.025, rare="broken")
    what = f"{edge}: 0.2 % in truth, 20,000 calls"
    yield Promise("calls-errors-broken", judged(edge, 0.002, 20_000), 1_000, what, 30, least=0.9)
    what = f"{edge}: 0.02 % in truth, 20,000 calls"
    yield Promise("calls-errors-met", judged(edge, 0.0002, 20_000, "met"), 1_000, what, 30, least=0.9)
    for before in (5, 12, 30):
        what = f"no objective, {before} windows before of 2,000 calls, nothing changed"
        yield Promise(f"calls-quiet-{before}", Service(2_000, before).measure, 1_000, what, 40, most=0.013)
    what = "the same, 12 windows before, latency differs by half from window to window"
    yield Promise("calls-uneven", Service(2_000, 12, uneven=1.0, days=0.4).measure, 1_000, what, 40, most=0.02)
    what = "no objective, no window before, 2 % of the calls fail"
    yield Promise("calls-alone-quiet", Service(2_000, 0, 0.02).measure, 2_000, what, 40, most=0.013)
    what = "12 windows before: 20 times as many calls fail, 4 %"
    yield Promise("calls-found", Service(2_000, 12, worse=20).measure, 500, what, 30, least=0.9)
    what = "12 windows before: 10 times as many calls fail, 2 %"
    yield Promise("calls-found-10", Service(2_000, 12, worse=10).measure, 500, what, 30, least=0.6)
    what = "12 windows before: calls take 5 times as long"
    yield Promise("calls-slow-found", Service(2_000, 12, slower=5).measure, 500, what, 30, least=0.9)
    what = "no window before, 10 % of the calls fail"
    yield Promise("calls-alone", Service(2_000, 0, 0.1, uneven=0.0).measure, 500, what, 30, least=0.9)


CLAIMS = {claim.name: claim for claim in _claims()}

SERVICE = Table("service_level", CLAIMS, text(CLAIMS))
