"""The goals that planted worlds ask of Driftline: counts, and one-sided bounds of 95 %."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from .verdicts import states_of
from .worlds import WORLDS, Model, baseline_and_days, model_of

LEAST_HARM, MOST_HARM = 0.035, 0.06
"""Log loss by which a harmed model is worse: a quarter to a half of the skill."""
LOST = (0.12, 0.22)
"""Part of the rows that lose their score, drawn anew for each model."""
FIRST_DAY = 7
"""Days before the first that is asked: from the eighth on."""
CALM_HEALTHY = 0.05
"""Part of its days on which a harmed model may be called healthy."""
CONFIDENCE = 0.95


class Goal(NamedTuple):
    """A line of the table.

    Attributes:
        question: What is counted.
        goal: What is asked.
        found: What was counted, with its bound.
        seeds: The models it is of.
        kept: Whether the goal is kept.
    """

    question: str
    goal: str
    found: str
    seeds: str
    kept: bool

    @property
    def cells(self) -> list[str]:
        """A line of Markdown."""
        return [self.question, self.goal, self.found, self.seeds, "yes" if self.kept else "**no**"]


class Plan(NamedTuple):
    """How many models of each kind are drawn, and from which seed on."""

    harmed: int
    quiet: int
    files: int
    first_seed: int


QUICK = Plan(harmed=3, quiet=2, files=10, first_seed=1)
FULL = Plan(harmed=20, quiet=20, files=100, first_seed=1)


def goals(plan: Plan, report: Callable[[str], None] = print) -> Iterator[Goal]:
    """Draw all worlds and yield each goal with what was found."""
    for world in ("iid", "days"):
        yield from _harmed_goals(world, list(_harmed(world, plan, report)))
    yield _few_goal(plan)
    quiet = {world: list(_quiet(world, plan, report)) for world in WORLDS}
    for world, least in (("iid", 0.95), ("days", 0.60), ("rare", 0.60)):
        yield _quiet_goal(world, least, quiet[world], plan)
    windows = [state for models in quiet.values() for model in models for state in model.states.windows]
    yield _false_goal("windows by themselves", windows, quiet, plan)
    states = [state for models in quiet.values() for model in models for state in model.states.model]
    yield _false_goal("the model at the end of each day", states, quiet, plan)


def _quiet(world: str, plan: Plan, report: Callable[[str], None]) -> Iterator[Model]:
    for seed in range(plan.first_seed, plan.first_seed + plan.quiet):
        model = model_of(WORLDS[world], 0.0, _random("quiet", world, seed))
        report(f"quiet, {world}, seed {seed}: {_told(model)}")
        yield model


def _harmed(world: str, plan: Plan, report: Callable[[str], None]) -> Iterator[tuple[int, Model]]:
    """Yield models that are harmed by as much as the goal says; those with more or less harm are passed over."""
    seed, found = plan.first_seed, 0
    while found < plan.harmed:
        random = _random("harmed", world, seed)
        model = model_of(WORLDS[world], random.uniform(*LOST), random)
        if LEAST_HARM <= model.harm <= MOST_HARM:
            report(f"harmed, {world}, seed {seed}: {_told(model)}")
            found += 1
            yield seed, model
        seed += 1


def _harmed_goals(world: str, harmed: list[tuple[int, Model]]) -> Iterator[Goal]:
    models, n = [model for _, model in harmed], len(harmed)
    seeds = f"{harmed[0][0]} to {harmed[-1][0]}"
    harms = [model.harm for model in models]
    parts = [model.harm / model.skill for model in models]
    what = (
        f"harmed by {min(harms):.3f} to {max(harms):.3f} ({min(parts):.0%} to {max(parts):.0%} of the skill), {world}"
    )
    healthy = [np.mean([state == "healthy" for state in model.states.model]) for model in models]
    many = sum(bool(part > CALM_HEALTHY) for part in healthy)
    days = f"; {np.mean(healthy):.1%} of all days"
    yield Goal(f"{what}: healthy on more than 5 % of its days", f"0 of {n}", _most(many, n) + days, seeds, many == 0)
    for day in (7, 30):
        hits = sum("degraded" in model.states.model[:day] for model in models)
        yield (
            Goal(f"the same: degraded by day {day}", "", _least(hits, n), seeds, True)
            if day == 7
            else Goal(f"the same: degraded by day {day}", "≥ 95 %", _least(hits, n), seeds, hits >= 0.95 * n)
        )


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


def _quiet_goal(world: str, least: float, models: list[Model], plan: Plan) -> Goal:
    parts = [float(np.mean([state == "healthy" for state in model.states.model[FIRST_DAY:]])) for model in models]
    mean, n = float(np.mean(parts)), len(parts)
    low = mean - stats.t.ppf(CONFIDENCE, n - 1) * np.std(parts, ddof=1) / np.sqrt(n)
    days = sum(len(model.states.model) - FIRST_DAY for model in models)
    found = f"{mean:.1%} of {days} days (at least {max(low, 0):.1%})"
    return Goal(
        f"quiet, {world}: healthy, from the eighth day on", f"≥ {least:.0%}", found, _seeds(plan, n), mean >= least
    )


def _false_goal(what: str, states: list[str], quiet: dict[str, list[Model]], plan: Plan) -> Goal:
    wrong = sum(state in ("degraded", "at_risk") for state in states)
    question = f"quiet ({', '.join(quiet)}), {what}: degraded or at risk"
    return Goal(question, "≤ 1 %", _most(wrong, len(states)), _seeds(plan, plan.quiet), wrong <= 0.01 * len(states))


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


def _told(model: Model) -> str:
    counts = pd.Series(model.states.model).value_counts()
    return f"harm {model.harm:.4f} of {model.skill:.4f}; " + ", ".join(f"{state} {n}" for state, n in counts.items())
