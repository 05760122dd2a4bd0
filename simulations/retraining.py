"""How often retraining is advised for nothing, and how often where it pays: evidence/retraining.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from driftline_processor.core.retraining.decision import RetrainTerms, question_of, weigh_retraining

from simulations.frame import Figures, Random, Table, percent
from simulations.promise import Promise, text
from simulations.worse import Numbers, Scores, World

RUNS = 1_000

FOR_NOTHING = 0.05
"""Most looks in which the answer may be retrain where retraining cannot pay, or wait where it does."""


@dataclass(frozen=True)
class Case:
    """A model, and what retraining it costs.

    Attributes:
        world: Its baseline and its windows.
        metric: The loss.
        pays: How much worse the model must be for retraining to pay, in the unit of the metric.
    """

    world: World
    metric: str
    pays: float

    def answers(self, looks: int, rng: Random) -> Counter[str]:
        """Count the answers of so many looks."""
        found: Counter[str] = Counter()
        while found.total() < looks:
            for window in self.world.evaluations(rng)[: looks - found.total()]:
                terms = RetrainTerms(self.metric, 1.0, self.pays, predictions=1.0, share=1.0)
                found[weigh_retraining(question_of(terms, [window], [window], [window], [])).answer] += 1
        return found


def _measured(case: Case, wanted: str) -> Callable[[int, Random], Figures]:
    """Return the shares of the answers; ``wanted``: the one that is to be found."""

    def measure(looks: int, rng: Random) -> Figures:
        counted = case.answers(looks, rng)
        shares = {answer: counted[answer] / looks for answer in ("retrain", "wait", "inconclusive")}
        return {**shares, "found": shares[wanted]}

    return measure


_USUAL = Scores()
_WORSE = Scores(flipped=0.045)
"""Three points of accuracy less."""


def _claims() -> Iterator[Promise]:
    alone, long = World(_USUAL, (1, 20_000), (1, 5_000)), World(_USUAL, (30, 1_000), (1, 5_000))
    days = World(replace(_USUAL, unseen=0.15), (30, 1_000), (7, 714))
    numbers = World(Numbers(), (1, 20_000), (1, 5_000))
    small = World(_USUAL, (1, 5_000), (1, 300))
    quiet = {
        "quiet-free": ("5,000 labels beside 20,000, retraining costs nothing", Case(alone, "accuracy", 0.0)),
        "quiet-point": ("the same, it pays from one point of accuracy on", Case(alone, "accuracy", 0.01)),
        "quiet-small": ("300 labels beside 5,000, it costs nothing", Case(small, "accuracy", 0.0)),
        "quiet-mae": ("a regression, MAE, it costs nothing", Case(numbers, "mae", 0.0)),
        "quiet-log-loss": ("log loss, it costs nothing", Case(alone, "log_loss", 0.0)),
        "quiet-days": ("a week of 714 labels a day beside 30 days that differ, free", Case(days, "accuracy", 0.0)),
        "quiet-day": ("a day of 5,000 labels beside 30 days alike, free", Case(long, "accuracy", 0.0)),
    }
    for name, (what, case) in quiet.items():
        yield _rare(name, f"nothing changed: {what}", case, "retrain")
    pays = {
        "pays": ("accuracy 3 points worse, it pays from one point on", 0.01, 0.9),
        "pays-little": ("accuracy 3 points worse, it pays from 2.5 points on", 0.025, None),
    }
    for name, (what, limit, least) in pays.items():
        case = Case(replace(alone, now=_WORSE), "accuracy", limit)
        yield _rare(name, what, case, "wait")
        if least is not None:
            yield _common(f"{name}-found", f"{what}: retrain", case, "retrain", least)
    dear = Case(replace(alone, now=_WORSE), "accuracy", 0.06)
    yield _rare("dear", "accuracy 3 points worse, it pays from 6 on", dear, "retrain")
    yield _common("dear-found", "the same: wait", dear, "wait", 0.9)
    calm = Case(alone, "accuracy", 0.03)
    yield _common("calm-found", "nothing changed, it pays from 3 on: wait", calm, "wait", 0.9)
    unsure = Case(small, "accuracy", 0.01)
    yield _common("unsure-found", "300 labels, it pays from one point on: cannot tell", unsure, "inconclusive", 0.8)


def _rare(name: str, what: str, case: Case, answer: str) -> Promise:
    return Promise(name, _measured(case, answer), RUNS, what, 20, most=FOR_NOTHING, rare=answer)


def _common(name: str, what: str, case: Case, answer: str, least: float) -> Promise:
    return Promise(name, _measured(case, answer), RUNS, what, 20, least=least)


CLAIMS = {claim.name: claim for claim in _claims()}


def _shares(one: Figures) -> str:
    answers = {"retrain": "retrain", "wait": "wait", "cannot tell": "inconclusive"}
    return f" ({', '.join(f'{words} {percent(one[answer])}' for words, answer in answers.items())})"


RETRAINING = Table("retraining", CLAIMS, text(CLAIMS, _shares))
