"""The goals that planted worlds ask of Driftline: counts, and one-sided bounds of 95 %."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from .verdicts import States, states_of
from .worlds import WORLDS, baseline_and_days, harm_and_skill, states_by_day

LEAST_HARM, MOST_HARM = 0.035, 0.06
"""Log loss by which a harmed model is worse: a quarter to a half of the skill."""
LOST = (0.12, 0.22)
"""Part of the rows that lose their score, drawn anew for each model."""
FIRST_DAY = 7
"""Days before the first that is asked: from the eighth on."""
CALM_HEALTHY = 0.05
"""Part of its days on which a harmed model may be called healthy."""
DATED = ("iid", "days")
"""Worlds of the harmed models."""
GOOD_DAYS = 30
"""Days before the harm of models that were good first."""
CONFIDENCE = 0.95


class Goal(NamedTuple):
    """A line of the table.

    Attributes:
        question: What is counted.
        goal: What is asked.
        found: What was counted, with its bound.
        seeds: The models it is of.
        kept: Whether the goal is kept; None if nothing is asked.
    """

    question: str
    goal: str
    found: str
    seeds: str
    kept: bool | None

    @property
    def cells(self) -> list[str]:
        """A line of Markdown."""
        kept = {True: "yes", False: "**no**", None: ""}[self.kept]
        return [self.question, self.goal, self.found, self.seeds, kept]


class Harmed(NamedTuple):
    """A harmed model: its seed, its state at the end of each day, its harm, and the skill of its baseline."""

    seed: int
    states: Sequence[str]
    harm: float
    skill: float


Report = Callable[[str], None]


class Plan(NamedTuple):
    """How many models of each world are drawn, and from which seed on."""

    harmed: int
    late: int
    quiet: int
    files: int
    first_seed: int


QUICK = Plan(harmed=3, late=1, quiet=2, files=10, first_seed=1)
FULL = Plan(harmed=30, late=10, quiet=20, files=100, first_seed=1)


def goals(plan: Plan, report: Report = print) -> Iterator[Goal]:
    """Draw all worlds and yield each goal with what was found."""
    yield from _harmed_goals([model for world in DATED for model in _harmed(world, 0, plan.harmed, plan, report)])
    late = [model for world in DATED for model in _harmed(world, GOOD_DAYS, plan.late, plan, report)]
    yield _late_goal(late)
    yield _few_goal(plan)
    quiet = {world: list(_quiet(world, plan, report)) for world in WORLDS}
    for world, least in (("iid", 0.95), ("days", 0.60), ("rare", 0.60)):
        yield _quiet_goal(world, least, quiet[world], plan)
    windows = {name: [state for model in of for state in model.windows] for name, of in quiet.items()}
    yield _false_goal("windows by themselves", windows, plan)
    states = {name: [state for model in of for state in model.model] for name, of in quiet.items()}
    yield _false_goal("the model at the end of each day", states, plan)


def _quiet(world: str, plan: Plan, report: Report) -> Iterator[States]:
    for seed in range(plan.first_seed, plan.first_seed + plan.quiet):
        states = states_by_day(WORLDS[world], *baseline_and_days(WORLDS[world], 0.0, _random("quiet", world, seed)))
        report(f"quiet, {world}, seed {seed}: {_days(states.model)}")
        yield states


def _harmed(world: str, good_days: int, models: int, plan: Plan, report: Report) -> Iterator[Harmed]:
    """Yield models that are harmed by as much as the goal says; seeds with more or less harm are passed over."""
    seed, found = plan.first_seed, 0
    while found < models:
        random = _random(f"harmed after {good_days}", world, seed)
        baseline, current = baseline_and_days(WORLDS[world], random.uniform(*LOST), random, good_days)
        harm, skill = harm_and_skill(baseline, current.iloc[good_days * WORLDS[world].rows :])
        if LEAST_HARM <= harm <= MOST_HARM:
            states = states_by_day(WORLDS[world], baseline, current).model[good_days:]
            report(f"harmed after {good_days} days, {world}, seed {seed}: {harm:.4f} of {skill:.4f}; {_days(states)}")
            found += 1
            yield Harmed(seed, states, harm, skill)
        seed += 1


def _harmed_goals(harmed: list[Harmed]) -> Iterator[Goal]:
    n, seeds = len(harmed), _seeds_of(harmed)
    harms, parts = [model.harm for model in harmed], [model.harm / model.skill for model in harmed]
    size = f"{min(harms):.3f} to {max(harms):.3f} of log loss, {min(parts):.0%} to {max(parts):.0%} of the skill"
    healthy = [model.states.count("healthy") / len(model.states) for model in harmed]
    many = sum(part > CALM_HEALTHY for part in healthy)
    found = f"{_most(many, n)}; {np.mean(healthy):.1%} of all days"
    question = f"harmed from the first day on (iid, days) by {size}: healthy on more than 5 % of its days"
    yield Goal(question, f"0 of {n}", found, seeds, many == 0)
    found, hits = _days_until_degraded(harmed)
    yield Goal("the same: degraded by day 30", "≥ 95 %", found, seeds, hits >= 0.95 * n)


def _late_goal(harmed: list[Harmed]) -> Goal:
    """Return the line of models that were good for a month: nothing is asked of it."""
    found, _ = _days_until_degraded(harmed)
    days = np.median([model.states.count("healthy") for model in harmed])
    question = f"harmed as much after {GOOD_DAYS} good days: degraded by the 30th day of the harm"
    return Goal(question, "", f"{found}; healthy on {days:g} of the 30 days in the median", _seeds_of(harmed), None)


def _days_until_degraded(harmed: list[Harmed]) -> tuple[str, int]:
    first = [model.states.index("degraded") + 1 for model in harmed if "degraded" in model.states]
    soon = sum(day <= 7 for day in first)
    return f"{_least(len(first), len(harmed))}; by day 7: {soon}; median: day {np.median(first):g}", len(first)


def _seeds_of(harmed: list[Harmed]) -> str:
    return f"{min(model.seed for model in harmed)} to {max(model.seed for model in harmed)}"


def _few_goal(plan: Plan) -> Goal:
    """Files with one to five labels: half of them of a coin, half by themselves, half among 300 rows without labels."""
    healthy = files = 0
    for seed in range(plan.first_seed, plan.first_seed + plan.files):
        random = _random("few", "iid", seed)
        world = WORLDS["iid"]._replace(rows=200, level=(-0.6, -4.0)[seed % 2])
        baseline, current = baseline_and_days(world, 0.0, random)
        for alone in (True, False):
            rows = current.head(300).drop(columns="time").astype({"label": np.float64})
            labelled = random.permutation(len(rows))[: 1 + files % 5]
            if seed % 4 < 2:
                rows["label"] = random.integers(0, 2, len(rows)).astype(np.float64)
            chosen = np.isin(np.arange(len(rows)), labelled)
            rows = rows[chosen] if alone else rows.assign(label=np.where(chosen, rows["label"], np.nan))
            healthy += states_of(rows, baseline.drop(columns="time"), "binary").windows[0] == "healthy"
            files += 1
    question = "files with 1 to 5 labelled rows: healthy"
    return Goal(question, f"0 of {files}", _most(healthy, files), _seeds(plan, plan.files), healthy == 0)


def _quiet_goal(world: str, least: float, models: list[States], plan: Plan) -> Goal:
    parts = [float(np.mean([state == "healthy" for state in model.model[FIRST_DAY:]])) for model in models]
    mean, n = float(np.mean(parts)), len(parts)
    low = mean - stats.t.ppf(CONFIDENCE, n - 1) * np.std(parts, ddof=1) / np.sqrt(n)
    days = sum(len(model.model) - FIRST_DAY for model in models)
    found = f"{mean:.1%} of {days} days (at least {max(low, 0):.1%})"
    return Goal(
        f"quiet, {world}: healthy, from the eighth day on", f"≥ {least:.0%}", found, _seeds(plan, n), mean >= least
    )


def _false_goal(what: str, states: Mapping[str, list[str]], plan: Plan) -> Goal:
    wrong = {world: sum(state in ("degraded", "at_risk") for state in found) for world, found in states.items()}
    total, n = sum(wrong.values()), sum(map(len, states.values()))
    found = f"{_most(total, n)}: {', '.join(f'{world} {hits}' for world, hits in wrong.items())}"
    return Goal(f"quiet, {what}: degraded or at risk", "≤ 1 %", found, _seeds(plan, plan.quiet), total <= 0.01 * n)


def _most(hits: int, n: int) -> str:
    """Return a count with the upper end of its exact one-sided interval.

    >>> _most(0, 20)
    '0 of 20 (at most 13.9 %)'
    """
    bound = 1.0 if hits == n else float(stats.beta.ppf(CONFIDENCE, hits + 1, n - hits))
    return f"{hits} of {n:,} (at most {100 * bound:.1f} %)"


def _least(hits: int, n: int) -> str:
    """Return a count with the lower end of its exact one-sided interval.

    >>> _least(20, 20)
    '20 of 20 (at least 86.1 %)'
    """
    bound = 0.0 if hits == 0 else float(stats.beta.ppf(1 - CONFIDENCE, hits, n - hits + 1))
    return f"{hits} of {n:,} (at least {100 * bound:.1f} %)"


def _random(kind: str, world: str, seed: int) -> np.random.Generator:
    """Return a generator that no other kind of world shares."""
    return np.random.default_rng([seed, *f"{kind} {world}".encode()])


def _seeds(plan: Plan, n: int) -> str:
    return f"{plan.first_seed} to {plan.first_seed + n - 1}"


def _days(states: Sequence[str]) -> str:
    return ", ".join(f"{state} {days}" for state, days in Counter(states).most_common())
