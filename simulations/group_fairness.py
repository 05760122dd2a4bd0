"""Policies of fairness: how often groups that are treated alike are told of in a month, and how soon a gap is found.

Each window is judged by the product's own code: its groups, their intervals by blocks of time, and the condition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from driftline.tables.table import F64, ModelKey
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.fairness.criteria import FairnessRule, GroupCounts, judge_fairness, windows_a_month
from driftline_processor.core.intervals.gradients import ConfusionTable
from driftline_processor.core.intervals.time_blocks import has_day_blocks
from driftline_processor.core.policy.condition import Finding, read_condition
from driftline_processor.core.verdict.record import Record
from driftline_processor.core.windows.window import Window, window_of
from scipy.special import expit, logit

from simulations.frame import Figures, Random, Row, Table, percent, table_of

MOST = 0.05
"""The share of months in which groups that keep to the limit may be told of, where confidence is 95 %."""

MOST_OF_DAYS = 0.08
"""The same where each group has good and bad days of its own: a week shows only seven of them."""

ALIKE = 0.9
"""True positive rate, and true negative rate, of groups that are treated alike."""


@dataclass(frozen=True)
class Groups:
    """A model whose decisions are looked at by group.

    Attributes:
        shares: Of the rows, by group.
        right: True positive rate of each group.
        selected: False positive rate of each group; with the base rate it makes the selection rate.
        rows: Of a window.
        window: Name of the length of the windows.
        spread: Standard deviation of what a block of time does to the log-odds of a group alone.
        positive: The base rate.
    """

    shares: tuple[float, ...]
    right: tuple[float, ...]
    selected: tuple[float, ...] = ()
    rows: int = 1_000
    window: str = "1d"
    spread: float = 0.0
    positive: float = 0.5

    @property
    def span(self) -> Window:
        """One of the windows."""
        return window_of(self.window, 0)

    def draw(self, rng: Random) -> Evaluation:
        """Draw a window and judge its fairness."""
        window, days = self.span, has_day_blocks(self.span)
        blocks = round((window.end - window.start) / (86_400e9 if days else 3_600e9))
        selected = self.selected or (1 - ALIKE,) * len(self.right)
        counts = {}
        for at, share in enumerate(self.shares):
            effect = self.spread * rng.normal(size=blocks)
            rates = [expit(logit(rate[at]) + effect) for rate in (selected, self.right)]
            cells = np.zeros((blocks, 2, 2))
            for actual, base in enumerate((1 - self.positive, self.positive)):
                rows = rng.poisson(self.rows * share * base / blocks, blocks)
                cells[:, actual, 1] = rng.binomial(rows, rates[actual])
                cells[:, actual, 0] = rows - cells[:, actual, 1]
            counts[f"group {at}"] = _counts(cells)
        found = judge_fairness(FairnessRule("group"), counts, days=days, windows=windows_a_month(window))
        fairness = () if found is None else (found,)
        return Evaluation(ModelKey("m"), window, self.rows, True, maturity="mature", fairness=fairness)


def _counts(cells: F64) -> GroupCounts:
    whole = cells.sum(axis=0)
    return GroupCounts(ConfusionTable(whole, whole, cells, cells), int(whole.sum()))


def told(world: Groups, condition: str) -> Callable[[int, Random], Figures]:
    """Return in how many months a policy fires, after how many windows, and in how many windows it can tell."""
    asked = read_condition(condition)
    windows = max(1, round(windows_a_month(world.span)))

    def measure(months: int, rng: Random) -> Figures:
        after: list[float] = []
        could_tell = 0
        for _ in range(months):
            first = np.inf
            for at in range(windows):
                holds = asked.judge(
                    Finding([world.draw(rng)], 0, lambda window: Record([window]).now((), None, None))
                ).holds
                could_tell += holds is not None
                if holds and first == np.inf:
                    first = at + 1
            after.append(first)
        median = float(np.median(after))
        return {
            "fired": float(np.mean(np.isfinite(after))),
            "after": median if np.isfinite(median) else None,
            "told": could_tell / months / windows,
        }

    return measure


SHORT = {"any": 3, "odds": 3, "20": 3, "tenth-week": 10}
"""Months of a test, by the end of a row's name."""


@dataclass(frozen=True)
class Months(Row):
    """A row of the table.

    Attributes:
        what: The groups, and what is asked of them.
        most: In how many months an alarm is false at most; None of groups that do not keep to the limit.
        short: Months of a test; 0 = none.
    """

    what: str
    most: float | None
    short: int = 0

    def kept(self, found: Figures) -> bool:
        """Say whether figures are what is promised."""
        return self.most is None or bool(found["fired"] <= self.most)


_HALVES, _TENTH, _FIVE = (0.5, 0.5), (0.9, 0.1), (0.4, 0.3, 0.15, 0.1, 0.05)
_OPPORTUNITY, _ODDS = "equal_opportunity_difference of group", "equalized_odds_difference of group"
_PARITY, _RATIO = "demographic_parity_difference of group", "demographic_parity_ratio of group"


def _rows() -> Mapping[str, Months]:
    two, five = (ALIKE,) * 2, (ALIKE,) * 5
    daily, few, weekly = 200, 100, 500
    week = Groups(_HALVES, two, rows=7_000, window="1w", spread=0.5)
    fifteen, any_gap = replace(week, right=(0.9, 0.75), spread=0.0), f"{_OPPORTUNITY} > 0 %"
    quiet = {
        "limit": ("halves, alike, 1,000 rows a day", Groups(_HALVES, two), f"{_OPPORTUNITY} > 10 %", daily),
        "any": ("the same, and any gap is too much", Groups(_HALVES, two), any_gap, daily),
        "edge": ("halves, 10 points apart", Groups(_HALVES, (0.9, 0.8)), f"{_OPPORTUNITY} > 10 %", daily),
        "odds": ("a tenth, alike, any gap", Groups(_TENTH, two), f"{_ODDS} > 0 %", daily),
        "five": ("five groups of 40 to 5 %, alike, any gap", Groups(_FIVE, five), f"{_ODDS} > 0 %", few),
        "parity": ("five groups, alike, any gap", Groups(_FIVE, five), f"{_PARITY} > 0 %", few),
        "ratio": (
            "halves, selection rates of .4 and .5",
            Groups(_HALVES, (0.6, 0.5), (0.4, 0.3)),
            f"{_RATIO} < 80 %",
            daily,
        ),
        "week": ("halves, alike, 7,000 rows a week, days differ (σ .5), any gap", week, any_gap, weekly),
    }
    found = {
        (name := f"fair-quiet-{key}"): Months(
            name,
            told(world, asked),
            months,
            f"{what}; `{asked}`",
            MOST_OF_DAYS if world.spread else MOST,
            SHORT.get(key, 0),
        )
        for key, (what, world, asked, months) in quiet.items()
    }
    power = {
        "20": ("halves, 20 points apart", Groups(_HALVES, (0.9, 0.7)), daily),
        "25": ("halves, 25 points apart", Groups(_HALVES, (0.9, 0.65)), daily),
        "tenth": ("a tenth, 30 points apart", Groups(_TENTH, (0.9, 0.6)), daily),
        "tenth-week": ("the same, in windows of a week", Groups(_TENTH, (0.9, 0.6), rows=7_000, window="1w"), weekly),
        "15-week": ("halves, 15 points apart, in windows of a week", fifteen, weekly),
    }
    limit = f"{_OPPORTUNITY} > 10 %"
    return found | {
        (name := f"fair-gap-{key}"): Months(
            name, told(world, limit), months, f"{what}; `{limit}`", None, SHORT.get(key, 0)
        )
        for key, (what, world, months) in power.items()
    }


ROWS = _rows()


def _told(row: Months, found: Figures) -> list[str]:
    promised = "-" if row.most is None else f"at most {percent(row.most)}"
    after = "-" if found["after"] is None else f"{found['after']:g}"
    return [promised, percent(found["fired"]), after, percent(found["told"]), f"{found['windows']:,}"]


HEAD = ["groups, and the condition", "promised", "months with an alarm", "windows until it, median"]
GROUPS = Table(
    "fairness",
    ROWS,
    table_of(ROWS, [*HEAD, "windows that can tell", "months"], _told),
)
