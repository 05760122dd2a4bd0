"""Planted histories: is the cause named, with the advice that fits, and since when?

    python -m benchmarks.right_or_wrong.causes                       # all faults, five seeds each
    python -m benchmarks.right_or_wrong.causes --seeds 20 --first-seed 100 unit_temp concept

An ordinary gradient boosting answers rows of eight inputs, whose days differ. After good days one thing is done to its
rows, its scores or its outcomes. Counted is what the model's verdict says at the end of the last day.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple, cast

import driftline
import numpy as np
import pandas as pd
from driftline.tables.table import F64
from driftline_processor.core.evaluation import Evaluation, Verdict
from driftline_processor.core.fact import columns_of
from driftline_processor.notebook.report import NotebookReport
from driftline_processor.present.sentences.verdict import verdict_cause, verdict_sentence
from sklearn.ensemble import HistGradientBoostingClassifier

from simulations.frame import markdown

Random = np.random.Generator

START = np.datetime64("2026-01-01T00:00:00")
TRAINING_DAYS, BASELINE_DAYS, GOOD_DAYS, BAD_DAYS = 20, 30, 8, 10
FIRST_DAY = TRAINING_DAYS + BASELINE_DAYS + 10
"""The first good day."""
ROWS = 800
"""Rows a day."""
DAY_SPREAD = 0.15
"""Standard deviation of the days' level of the outcomes' log odds, and of the days' mean of inputs in their own."""
REGIONS, REGION_SHARES = np.array(["north", "south", "east", "west", "centre"]), [0.35, 0.3, 0.2, 0.1, 0.05]
CHANNELS, CHANNEL_SHARES = np.array(["web", "phone", "branch"]), [0.6, 0.3, 0.1]
INPUTS = ["age", "income", "temp", "distance", "visits", "hour", "region", "channel"]


class World(NamedTuple):
    """What the rows of some days are.

    Attributes:
        age: Mean age, in years.
        age_effect: Factor of the effect of the age on the outcome.
        level: Log odds that are added for each row.
    """

    age: float = 42.0
    age_effect: float = 1.0
    level: float = 0.0


def draw(world: World, days: int, first_day: int, random: Random, rows: int = ROWS) -> pd.DataFrame:
    """Return rows of days with their inputs, ``label``, ``time`` and ``id``."""
    day = np.repeat(np.arange(days), rows)
    n = len(day)
    moved = DAY_SPREAD * random.normal(size=(days, 4))[day].T
    frame = pd.DataFrame(
        {
            "age": np.clip(world.age + 8 * (random.normal(size=n) + moved[0]), 18, 99).round(),
            "income": np.exp(10 + 0.5 * (random.normal(size=n) + moved[1])).round(2),
            "temp": (12 + 7 * (random.normal(size=n) + moved[2])).round(1),
            "distance": np.exp(2.2 + 0.6 * random.normal(size=n)).round(1),
            "visits": random.poisson(4, n).astype(np.float64),
            "hour": np.clip(random.normal(14, 4, n), 0, 23).round(),
            "region": random.choice(REGIONS, n, p=REGION_SHARES),
            "channel": random.choice(CHANNELS, n, p=CHANNEL_SHARES),
        }
    )
    odds = world.level + moved[3] - 0.4 + world.age_effect * _age_odds(frame["age"].to_numpy())
    odds -= 2.0 * (np.log(frame["income"]) - 10) + 0.12 * (frame["temp"] - 12)
    odds += 2.0 * (np.log(frame["distance"]) - 2.2) * np.where(frame["channel"] == "branch", -1, 1)
    odds += 0.15 * (frame["visits"] - 4) + 0.4 * np.sin(frame["hour"] / 4)
    odds += frame["region"].map({"north": -0.8, "south": 0.6, "east": -0.3, "west": 1.2, "centre": 0.5})
    frame["label"] = (random.random(n) < 1 / (1 + np.exp(-odds))).astype(np.float64)
    seconds = (first_day + day) * 86_400 + random.integers(0, 86_400, n)
    frame["time"] = START + seconds.astype("timedelta64[s]")
    frame["id"] = [f"{first_day}-{number}" for number in range(n)]
    return frame.sort_values("time", ignore_index=True)


def _age_odds(age: F64) -> F64:
    """Return log odds that rise up to 58 years and fall steeply beyond."""
    z = (age - 42) / 8
    odds: F64 = np.where(z < 2, 0.7 * z, 1.4 - 1.8 * (z - 2))
    return odds


class Model(NamedTuple):
    """A fitted gradient boosting over :data:`INPUTS`."""

    fitted: HistGradientBoostingClassifier

    def score(self, frame: pd.DataFrame) -> F64:
        """Return its scores; a category that it does not know counts as missing."""
        scores: F64 = self.fitted.predict_proba(_coded(frame))[:, 1]
        return scores


def _coded(frame: pd.DataFrame) -> pd.DataFrame:
    coded = frame[INPUTS].copy()
    for name, known in (("region", REGIONS), ("channel", CHANNELS)):
        coded[name] = coded[name].map({category: float(at) for at, category in enumerate(known)}).astype(np.float64)
    return coded.astype(np.float64)


def fit(random: Random) -> Model:
    """Fit a model on days of its own."""
    training = draw(World(), TRAINING_DAYS, 0, random)
    categorical = [name in ("region", "channel") for name in INPUTS]
    boosting = HistGradientBoostingClassifier(max_iter=60, categorical_features=categorical, random_state=0)
    return Model(boosting.fit(_coded(training), training["label"]))


Change = Callable[[pd.DataFrame, Random], pd.DataFrame]
"""Return changed rows."""


class Fault(NamedTuple):
    """What is done to the rows of the bad days, and what is right to say of it.

    Attributes:
        kinds: The kinds of change that are right.
        advice: The kinds of advice that are apt.
        inputs: The inputs that must be named; others must not.
        world: Where the rows come from.
        of_inputs: What is done to the inputs before the model answers.
        of_answers: What is done to scores and outcomes after it.
        slice: The slice that must be named.
    """

    kinds: tuple[str, ...]
    advice: tuple[str, ...]
    inputs: tuple[str, ...] = ()
    world: World = World()
    of_inputs: Change | None = None
    of_answers: Change | None = None
    slice: str = ""


def _scaled(name: str, factor: float, offset: float = 0.0) -> Change:
    return lambda frame, _: frame.assign(**{name: frame[name] * factor + offset})


def _missing(name: str, share: float) -> Change:
    return lambda frame, random: frame.assign(**{name: frame[name].mask(random.random(len(frame)) < share)})


def _permuted(names: tuple[str, ...], sources: tuple[str, ...]) -> Change:
    return lambda frame, _: frame.assign(**{name: frame[source] for name, source in zip(names, sources, strict=True)})


def _stale(frame: pd.DataFrame, _: Random) -> pd.DataFrame:
    """Give every day the inputs of the first."""
    days = len(frame) // ROWS
    first = frame.iloc[:ROWS]
    return frame.assign(**{name: np.tile(first[name].to_numpy(), days) for name in INPUTS})


def _more_positives(frame: pd.DataFrame, random: Random) -> pd.DataFrame:
    """Leave out four fifths of the negatives."""
    left = (frame["label"] == 1) | (random.random(len(frame)) < 1 / 5)
    return frame[left].reset_index(drop=True)


def _flipped(where: Callable[[pd.DataFrame, Random], np.ndarray]) -> Change:
    return lambda frame, random: frame.assign(label=np.where(where(frame, random), 1 - frame["label"], frame["label"]))


REPAIR = ("repair_columns", "repair_data")
RETRAIN = ("retrain", "retrain_with_range", "retrain_with_slice")
OUTPUT = ("check_output", "check_classes", "repair_output")

FAULTS: dict[str, Fault] = {
    "covariate": Fault(("covariate_shift",), RETRAIN, ("age",), World(age=74)),
    "unit_temp": Fault(("data_fault",), REPAIR, ("temp",), of_inputs=_scaled("temp", 1.8, 32)),
    "unit_income": Fault(("data_fault",), REPAIR, ("income",), of_inputs=_scaled("income", 100)),
    "unit_distance": Fault(("data_fault",), REPAIR, ("distance",), of_inputs=_scaled("distance", 0.6214)),
    "missing": Fault(("data_fault",), REPAIR, ("income",), of_inputs=_missing("income", 0.8)),
    "constant": Fault(("data_fault",), REPAIR, ("age",), of_inputs=_scaled("age", 0, 40)),
    "swapped": Fault(
        ("data_fault",),
        REPAIR,
        ("age", "temp"),
        of_inputs=_permuted(("age", "temp"), ("temp", "age")),
    ),
    "rotated": Fault(
        ("data_fault",),
        REPAIR,
        ("age", "income", "temp", "distance"),
        of_inputs=_permuted(("age", "income", "temp", "distance"), ("distance", "age", "income", "temp")),
    ),
    "renamed": Fault(
        ("data_fault",),
        REPAIR,
        ("region",),
        of_inputs=lambda frame, _: frame.assign(region=frame["region"].str.upper()),
    ),
    "stale": Fault(("data_fault",), REPAIR, (), of_inputs=_stale),
    "label_shift": Fault(("label_shift",), ("recalibrate",), (), of_answers=_more_positives),
    "level": Fault(("calibration", "concept_change"), ("recalibrate",), (), World(level=1.0)),
    "concept": Fault(("concept_change",), RETRAIN, (), World(age_effect=-1.0)),
    "labels": Fault(
        ("concept_change",), (*RETRAIN, "check_labels"), (), of_answers=_flipped(lambda f, r: r.random(len(f)) < 0.25)
    ),
    "inverted": Fault(("output_fault",), OUTPUT, (), of_answers=lambda f, _: f.assign(score=1 - f["score"])),
    "percent": Fault(("output_fault",), OUTPUT, (), of_answers=lambda f, _: f.assign(score=100 * f["score"])),
    "stuck": Fault(("output_fault",), OUTPUT, (), of_answers=lambda f, _: f.assign(score=0.37)),
    "no_scores": Fault(("output_fault",), OUTPUT, (), of_answers=_missing("score", 0.4)),
    "slice": Fault(
        ("concept_change",),
        RETRAIN,
        (),
        of_answers=_flipped(lambda f, _: (f["region"] == "centre").to_numpy()),
        slice="region=centre",
    ),
    "quiet": Fault(("",), ("nothing_to_do", "ignore_drift", "check_threshold"), ()),
}


class History(NamedTuple):
    """What was said of one planted history.

    Attributes:
        states: The state at the end of each bad day.
        verdict: The verdict at the end of the last day.
        answers: The kinds and advice of its degraded days; a day at risk is confirmed, or not, by the next one.
        onset: Days from the planted to the stated beginning, 0 inside the stated range; None without one.
    """

    states: list[str]
    verdict: Verdict
    answers: Counter[tuple[str, str]]
    onset: float | None

    @property
    def named(self) -> set[str]:
        """The inputs that the first cause names."""
        return set(columns_of(self.verdict.cause))


def planted_rows(fault: Fault, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of a baseline, and those of the good and the bad days after it."""
    random = np.random.default_rng([seed, 28])
    model = fit(random)
    baseline = draw(World(), BASELINE_DAYS, TRAINING_DAYS + 5, random)
    good = draw(World(), GOOD_DAYS, FIRST_DAY, random)
    bad = draw(fault.world, BAD_DAYS, FIRST_DAY + GOOD_DAYS, random)
    if fault.of_inputs is not None:
        bad = fault.of_inputs(bad, random)
    for rows in (baseline, good, bad):
        rows["score"] = model.score(rows)
    if fault.of_answers is not None:
        bad = fault.of_answers(bad, random)
    return baseline, pd.concat([good, bad], ignore_index=True)


def evaluate(baseline: pd.DataFrame, rows: pd.DataFrame) -> list[Evaluation]:
    """Evaluate the days of rows."""
    report = driftline.evaluate(
        rows,
        baseline=baseline,
        task="binary",
        score="score",
        actual="label",
        positive_class="1",
        time="time",
        id="id",
        window="1d",
        progress=False,
    )
    return list(cast(NotebookReport, report).result.evaluations)


def run(fault: Fault, seed: int) -> History:
    """Plant a fault, evaluate all days, and read the model's verdict after each bad day."""
    evaluations = evaluate(*planted_rows(fault, seed))
    verdicts = [one.verdict for one in evaluations[GOOD_DAYS:] if one.verdict is not None]
    began = int((START + np.timedelta64(FIRST_DAY + GOOD_DAYS, "D")).astype("datetime64[ns]").astype(np.int64))
    answers = Counter[tuple[str, str]](
        (verdict.kind, verdict.advice.kind if verdict.advice else "")
        for verdict in verdicts
        if verdict.state == "degraded"
    )
    since, earliest = verdicts[-1].since, verdicts[-1].since_earliest
    onset = None if since is None else (since - began) / 86_400e9
    if onset is not None and earliest is not None:
        onset = max(0.0, (earliest - began) / 86_400e9) or min(0.0, onset)
    return History([verdict.state for verdict in verdicts], verdicts[-1], answers, onset)


HEAD = ("planted", "found", "kind", "advice", "one of each", "input named", "innocent named", "slice", "begin")


def row(name: str, histories: list[History]) -> list[str]:
    """Return a line of the table: of the histories that are degraded or at risk, how many are right in each respect."""
    fault = FAULTS[name]
    found = [history for history in histories if name == "quiet" or history.verdict.state in ("degraded", "at_risk")]

    def many(holds: Callable[[History], bool]) -> str:
        return f"{sum(map(holds, found))}/{len(found)}"

    inputs = set(fault.inputs)
    return [
        name,
        f"{len(found)}/{len(histories)}",
        many(lambda one: one.verdict.kind in fault.kinds),
        many(lambda one: one.verdict.advice is not None and one.verdict.advice.kind in fault.advice),
        many(lambda one: len(one.answers) <= 1),
        many(lambda one: inputs <= one.named) if inputs else "",
        many(lambda one: bool(one.named - inputs)),
        many(lambda one: one.verdict.slice == fault.slice),
        many(lambda one: one.onset is not None and abs(one.onset) <= 1) if name != "quiet" else "",
    ]


def main(arguments: list[str]) -> int:
    """Print each history, then the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.right_or_wrong.causes", description=__doc__)
    parser.add_argument("faults", nargs="*", choices=[*FAULTS, []], help="only these")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=1)
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    print(table(options.faults or list(FAULTS), seeds, lambda line: print(line, flush=True)))
    return 0


def table(names: Iterable[str], seeds: Iterable[int], say: Callable[[str], None]) -> str:
    """Return the table; ``say`` gets what is said of each history."""
    rows = []
    for name in names:
        histories = []
        for seed in seeds:
            history = run(FAULTS[name], seed)
            histories.append(history)
            answers = ", ".join(f"{kind or '–'}/{advice} {days}" for (kind, advice), days in history.answers.items())
            say(f"{name} {seed}: {verdict_sentence(history.verdict)}\n    cause: {verdict_cause(history.verdict)}")
            say(f"    days: {answers}; begin {history.onset}")
        rows.append(row(name, histories))
    return markdown(HEAD, rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
