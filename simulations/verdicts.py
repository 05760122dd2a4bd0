"""How often a verdict is wrong while nothing changed, and how soon it is right after a change: evidence/verdict_*.json.

A model answers every day, in three countries, perhaps in two versions; its outcomes come three days later, or never.
Each window is judged as a service judges it, and each day the verdict is made of what is known by then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.fold import fold
from driftline.panes.outcome_sums import LabelledRows, fold_outcomes_by
from driftline.panes.pane import Pane, merge
from driftline.tables.row_losses import losses_of_rows
from driftline.tables.table import F64, I64, Column, ModelKey
from driftline.tables.task import Task
from driftline_processor.core import facts
from driftline_processor.core.concept.losses import kind_of, reference_loss
from driftline_processor.core.concept.stream import WHOLE, FirstLosses, ModelStreams, concept_of
from driftline_processor.core.estimate.sums import score_parts
from driftline_processor.core.evaluation import Evaluation, Verdict
from driftline_processor.core.fact import columns_of
from driftline_processor.core.judge_window import ModelWindow, judge_window
from driftline_processor.core.labels.delay import OutcomeDelay
from driftline_processor.core.model_settings import ModelSettings
from driftline_processor.core.performance.objective import read_objective
from driftline_processor.core.performance.reference import level_of_errors
from driftline_processor.core.performance.settings import PerformanceSettings
from driftline_processor.core.performance.window_outcomes import BlockSums, WindowOutcomes
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.service_level.sums import call_parts
from driftline_processor.core.verdict.context import VerdictContext
from driftline_processor.core.verdict.parts import ModelPart, fold_verdicts
from driftline_processor.core.verdict.record import NO_RECORD, Record
from driftline_processor.core.verdict.traffic import Traffic
from driftline_processor.core.window_context import SliceContext, WindowContext
from driftline_processor.core.windows.window import DAY, Window, length
from driftline_processor.evaluation.judge import follow
from msgspec import structs
from scipy.special import expit

from simulations.frame import Figures, Random, Row, Table, percent, table_of

START = 1_772_323_200_000_000_000
"""A midnight, unix nanoseconds."""

COUNTRIES = ("NL", "DE", "FR")
SHARES = (0.6, 0.3, 0.1)
"""The countries, and the share of rows of each."""

LATE = 3
"""Windows after which all outcomes of a window have come."""

PARTS = 24
"""Parts of a window in which its outcomes are summed."""

REFERENCE, GAP = 28, 7
"""Days of the baseline, and days from its end to the first window."""

Rows = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """What is planted.

    Attributes:
        flipped: Share of outcomes that are the other class, or by how much the spread of errors grows.
        shift: How far the first inputs move, standard deviations of each.
        missing: Share of the second input that is newly missing.
        slower: How many times as long calls take.
        failing: Share of calls that fail beside the usual ones.
        unit: How many times as large the first input is that the model sees, while the world stays as it was.
    """

    flipped: float = 0.0
    shift: tuple[float, ...] = ()
    missing: float = 0.0
    slower: float = 1.0
    failing: float = 0.0
    unit: float = 1.0


NOTHING = Change()


@dataclass(frozen=True)
class Model:
    """A model that is as good as its baseline.

    Attributes:
        kind: Its task.
        features: Inputs, of which the last two are classes.
        rows: Rows of a window.
        alike: Part of an input's variance that the rows of a day share.
        keeps: What a day keeps of the one before.
        unseen: Standard deviation, in logits or in that of errors, by which the outcomes of a day differ unseen.
        canary: Share of the rows that a second version answers.
        outcomes: Whether any come.
        objective: What its owner asks of it; "" = nothing.
        window: Name of the length of its windows. What is said of days holds for them.
        days_too: Whether its days are judged, too, beside its hours.
    """

    kind: str = "binary"
    features: int = 12
    rows: int = 1_000
    alike: float = 0.01
    keeps: float = 0.0
    unseen: float = 0.1
    canary: float = 0.0
    outcomes: bool = True
    objective: str = ""
    window: Literal["1d", "1h"] = "1d"
    days_too: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs."""
        return tuple(f"x{at}" for at in range(self.features))

    @property
    def weights(self) -> F64:
        """What each input that is a number counts for the outcome: the first counts most."""
        return np.asarray(1.2 * 0.75 ** np.arange(self.features - 2))

    def levels(self, days: int, rng: Random) -> F64:
        """Draw how days differ: float64 (days, features - 1), the last column of the outcomes."""
        found = rng.normal(size=(days, self.features - 1))
        for at in range(1, days):
            found[at] = self.keeps * found[at - 1] + np.sqrt(1 - self.keeps**2) * found[at]
        return found

    def draw(self, n: int, level: F64, change: Change, rng: Random) -> Rows:
        """Draw the rows of a day."""
        numbers = self.features - 2
        x = rng.normal(size=(n, numbers)) * np.sqrt(1 - self.alike) + np.sqrt(self.alike) * level[:-1]
        x[:, : len(change.shift)] += change.shift
        country = rng.choice(len(COUNTRIES), n, p=SHARES)
        offset = 0.2 * (country == 1) - 0.8
        logit = x @ self.weights + offset
        x[:, 0] *= change.unit
        seen = x @ self.weights + offset
        rows: Rows = {f"x{at}": x[:, at] for at in range(numbers)}
        if change.missing:
            rows["x1"] = np.where(rng.random(n) < change.missing, np.nan, rows["x1"])
        rows[f"x{numbers}"] = np.array(["a", "b", "c", "d"])[rng.choice(4, n, p=[0.4, 0.3, 0.2, 0.1])]
        rows["country"] = np.array(COUNTRIES)[country]
        if self.kind == "regression":
            noise = rng.standard_t(5, n) * np.exp(0.3 * self.unseen * level[-1]) * (1 + change.flipped)
            return {**rows, "p": seen, "y": logit + noise}
        happened = rng.random(n) < 1 / (1 + np.exp(-logit - self.unseen * level[-1]))
        happened ^= rng.random(n) < change.flipped
        return {**rows, "p": expit(seen), "y": happened.astype(np.float64)}

    @property
    def settings(self) -> ModelSettings:
        """How its windows are judged."""
        asked = tuple(map(read_objective, filter(None, [self.objective])))
        return ModelSettings(performance=PerformanceSettings(objectives=asked))

    @property
    def inputs(self) -> list[str]:
        """The names of all inputs, the country last."""
        return [*self.names[:-1], "country"]


@dataclass
class Day:
    """A window of a version: judged when it closes, and when its outcomes have come."""

    early: Evaluation
    late: Evaluation


@dataclass
class Version:
    """A version of a model, with its baseline and what was judged of it.

    Attributes:
        days: Its windows, the oldest first.
        whole_days: Its days, where hours are its windows and days are judged, too.
        today: Rows and calls of the hours of the day that has not ended.
    """

    model: Model
    key: ModelKey
    baseline: Baseline
    days: list[Day] = field(default_factory=list)
    whole_days: list[Day] = field(default_factory=list)
    today: list[tuple[Rows, Pane]] = field(default_factory=list)
    streams: ModelStreams | None = None
    waiting: list[FirstLosses] = field(default_factory=list)
    verdict: Verdict | None = None
    record: Record = NO_RECORD

    def judge(self, at: int, rows: Rows, calls: Pane, rng: Random) -> None:
        """Judge the window of a day; where hours are windows and days are judged, too, at its end that of the day."""
        step = length(self.model.window)
        window = Window(self.model.window, START + at * step, START + (at + 1) * step)
        parts = np.sort(rng.integers(0, PARTS, len(rows["p"])))
        self._judge(window, rows, calls, parts, self.days)
        if self.model.outcomes:
            table, truth = self._read(rows)
            self._wait(table.task, table.scores, truth, window, parts)
        if not self.model.days_too:
            return
        self.today.append((rows, calls))
        if (at + 1) * step % DAY:
            return
        hours = [one for one, _ in self.today]
        whole = {name: np.concatenate([one[name] for one in hours]) for name in rows}
        parts = np.repeat(np.arange(len(hours)), [len(one["p"]) for one in hours])
        day = Window("1d", window.end - DAY, window.end)
        self._judge(day, whole, merge([one for _, one in self.today]), parts, self.whole_days)
        self.today = []

    def _judge(self, window: Window, rows: Rows, calls: Pane, parts: I64, into: list[Day]) -> None:
        """Judge a window whose rows belong to these parts of it."""
        step = length(self.model.window)
        n = len(rows["p"])
        table, truth = self._read(rows)
        pane = fold(table, self.baseline.bins)
        one = np.zeros(n, np.int64)
        pane.parts.update({part.part: part.dense(1)[0] for part in score_parts(table, one)})
        pane = merge([pane, calls])
        slices = {}
        for name in COUNTRIES:
            own = np.flatnonzero(rows["country"] == name)
            slices[f"country={name}"] = SliceContext(fold(self._read(_taken(rows, own))[0], self.baseline.bins))
        own_pane, blocks = pane, list[Pane]()
        if self.model.outcomes:
            sums = fold_outcomes_by(table.task, LabelledRows(table.scores, None, truth), parts, PARTS)
            blocks = BlockSums(PARTS, sums).blocks()
            own_pane = merge([pane, *blocks])
        delay = OutcomeDelay(LATE * step, "learned", 10_000)
        late = judge_window(
            ModelWindow(self.key, window, own_pane, True, self.baseline.task),
            Reference(self.baseline),
            WindowContext(outcomes=WindowOutcomes(blocks=blocks, delay=delay), slices=slices),
            self.model.settings,
        )
        late = follow(late, into[-1].late if into else None)
        into.append(Day(_without_outcomes(late) if self.model.outcomes else late, late))

    def known(self, at: int) -> list[Evaluation]:
        """Return the windows as they are known at the end of a day: of the newest ones no outcome has come yet."""
        told = START + (at - LATE + 1) * length(self.model.window)
        return [day.late if day.late.window.end <= told else day.early for day in (*self.days, *self.whole_days)]

    def say(self, at: int, traffic: Traffic | None = None) -> Verdict:
        """Say whether the version is right at the end of a day."""
        concept = None
        if self.streams is not None and at >= LATE and len(self.waiting) > at - LATE:
            self.streams.feed(WHOLE, self.waiting[at - LATE])
            concept = concept_of(self.streams.streams)
        self.record = self.record.revised(self.known(at), VerdictContext(concept))
        self.verdict = self.record.now((), traffic, self.verdict)
        return self.verdict

    def _read(self, rows: Rows) -> tuple[Any, Column]:
        task = self.model.kind
        table, truth, *_ = table_from_frame(
            rows, score="p", actual="y", features=self.model.inputs, model="m", task=task, classes=_classes(task)
        )
        assert truth is not None
        return table, truth

    def _wait(self, task: Task, scores: F64, truth: Column, window: Window, parts: I64) -> None:
        step = window.end - window.start
        times = window.start + parts * (step // PARTS)
        losses = losses_of_rows(task, scores, None, truth)
        self.waiting.append(FirstLosses(losses, times, times + LATE * step, {}))
        if self.streams is None:
            kind = kind_of(task)
            assert kind is not None
            level = level_of_errors(self.baseline)
            self.streams = ModelStreams(kind, reference_loss(self.baseline), level=level)


def _without_outcomes(judged: Evaluation) -> Evaluation:
    """Return a window as it was judged before its outcomes came."""
    return structs.replace(
        judged,
        realized={},
        realized_changes={},
        constant_comparison=None,
        outcome_rows=0,
        coverage=0.0,
        maturity="immature",
        immature=(facts.OutcomesMayStillCome(delay=3 * DAY, learned_from=None),),
        young=True,
        change_kind=None,
    )


def _classes(task: str) -> tuple[int, int] | None:
    return (0, 1) if task == "binary" else None


def _taken(rows: Rows, which: Any) -> Rows:
    return {name: values[which] for name, values in rows.items()}


def calls_of(n: int, change: Change, rng: Random) -> Pane:
    """Draw the calls of a day: 20 ms in the middle, two in a thousand fail, both differ from day to day."""
    failed = int(rng.binomial(n, min(1.0, change.failing + 0.002 * np.exp(rng.normal(0, 0.3)))))
    seconds = rng.lognormal(np.log(0.02 * change.slower * np.exp(rng.normal(0, 0.1))), 0.6, n)
    errors = Column(codes=np.where(np.arange(n) < failed, 0, -1).astype(np.int32), categories=("TimeoutError",))
    parts = call_parts(seconds, errors, None, np.zeros(n, np.int64), 1)
    return Pane({part: sums.dense(1)[0] for part, sums in parts.items()})


def versions_of(model: Model, rng: Random, days: int) -> tuple[list[Version], F64]:
    """Draw the past of a model; return its versions with their baseline, and how the windows to come will differ.

    Args:
        model: The model.
        rng: Generator.
        days: Windows to come.
    """
    step = length(model.window)
    past, gap = REFERENCE * DAY // step, GAP * DAY // step
    levels = model.levels(past + gap + days, rng)
    drawn = [model.draw(model.rows, level, NOTHING, rng) for level in levels[:past]]
    frame = {name: np.concatenate([one[name] for one in drawn]) for name in drawn[0]}
    times = np.repeat(START - (past + gap - np.arange(past)) * step, model.rows)
    frame["t"] = times + rng.integers(0, step, len(times))
    versions = []
    for number in ("1", "2")[: 1 + (model.canary > 0)]:
        baseline = Baseline.from_frame(
            frame,
            score="p",
            actual="y",
            time="t",
            features=model.inputs,
            slices=["country"],
            model="m",
            task=model.kind,
            version=number,
            classes=_classes(model.kind),
        )
        versions.append(Version(model, ModelKey("m", number), baseline))
    return versions, levels[past + gap :]


def live(model: Model, change: Change, begins: int, days: int, rng: Random) -> Iterator[list[tuple[Version, int]]]:
    """Draw a model, and yield its versions at the end of each day, with how many rows each had on it.

    Args:
        model: The model.
        change: What is planted.
        begins: The day on which it is.
        days: Days of the model.
        rng: Generator.
    """
    versions, levels = versions_of(model, rng, days)
    for at in range(days):
        now = change if at >= begins else NOTHING
        rows = model.draw(model.rows, levels[at], now, rng)
        own = rng.random(model.rows) < model.canary
        parts = []
        for version, mask in zip(versions, (~own, own), strict=False):
            n = int(mask.sum())
            version.judge(at, _taken(rows, mask), calls_of(n, now, rng), rng)
            version.say(at)
            parts.append((version, n))
        yield parts


def life(model: Model, change: Change, begins: int, days: int, rng: Random) -> list[Verdict]:
    """Draw a model, and return its verdict at the end of each day; the arguments are those of :func:`live`."""
    said = []
    for versions in live(model, change, begins, days, rng):
        parts = []
        for version, rows in versions:
            window = version.days[-1].late.window
            assert version.verdict is not None
            parts.append(ModelPart(version.key, version.verdict, rows, window.start, window.end))
        folded = fold_verdicts(parts)
        assert folded is not None
        said.append(folded)
    return said


QUIET_DAYS = 90
"""Days of a model in which nothing changes."""

BEGINS, SEEN = 20, 30
"""The day on which a change is planted, and days from then on in which it may be found."""

BAD = ("degraded", "at_risk")


def incidents(said: list[Verdict], states: tuple[str, ...] = BAD) -> int:
    """Count how often a model turns to one of these states from another."""
    bad = [one.state in states for one in said]
    return sum(now and not before for before, now in zip([False, *bad], bad, strict=False))


def quiet(model: Model) -> Callable[[int, Random], Figures]:
    """Return how many days of models are wrong or at risk though nothing changed, and how many incidents these are."""

    def measure(windows: int, rng: Random) -> Figures:
        lives = [life(model, NOTHING, 0, QUIET_DAYS, rng) for _ in range(windows)]
        days = windows * QUIET_DAYS
        states = {state: sum(one.state == state for said in lives for one in said) / days for state in _STATES}
        times = {
            "wrong_times": sum(incidents(said, ("degraded",)) for said in lives) / windows,
            "times": sum(incidents(said) for said in lives) / windows,
        }
        return {**states, **times, "alarm": sum(incidents(said) > 1 for said in lives) / windows}

    return measure


_STATES = ("healthy", "degraded", "at_risk", "unknown")


@dataclass(frozen=True)
class Expected:
    """What a verdict should say of a change.

    Attributes:
        states: One of these states.
        named: Columns of which the cause has one; () = the cause does not matter.
        kind: The kind of change; "" = it does not matter.
        metric: How the metric's name begins.
    """

    states: tuple[str, ...] = ("degraded",)
    named: tuple[str, ...] = ()
    kind: str = ""
    metric: str = ""

    def names(self, verdict: Verdict) -> bool:
        """Return True where a verdict names what was planted."""
        cause = not self.named or not {*columns_of(verdict.cause)}.isdisjoint(self.named)
        return cause and self.kind in ("", verdict.kind) and verdict.metric.startswith(self.metric)


def changed(model: Model, change: Change, expected: Expected) -> Callable[[int, Random], Figures]:
    """Return how soon a change is found, how often its cause is named, and what is said at the end."""

    def measure(windows: int, rng: Random) -> Figures:
        after, named, last = list[float](), list[bool](), list[str]()
        for _ in range(windows):
            said = life(model, change, BEGINS, BEGINS + SEEN, rng)[BEGINS:]
            at = next((at for at, one in enumerate(said) if one.state in expected.states), None)
            after.append(np.inf if at is None else at + 1)
            last.append(said[-1].state)
            if at is not None:
                named.append(expected.names(said[-1] if said[-1].state in expected.states else said[at]))
        middle = float(np.median(after))
        return {
            "found": float(np.isfinite(after).mean()),
            "median": middle if np.isfinite(middle) else None,
            "named": float(np.mean(named)) if named else 0.0,
            "last": {state: last.count(state) / windows for state in _STATES if state in last},
        }

    return measure


@dataclass(frozen=True)
class Life(Row):
    """A row of a table; ``what``: the model, or what was planted, in words."""

    what: str


DAYS_DIFFER = replace(Model(), alike=0.02, unseen=0.2)
UNKNOWN = replace(Model(), outcomes=False)
_NONE = Model()


def _quiet_rows() -> dict[str, Life]:
    models = {
        "alike": ("binary, 12 inputs, days alike", replace(_NONE, alike=0.0, unseen=0.0)),
        "days": ("binary, 12 inputs, days differ", DAYS_DIFFER),
        "keeps": ("the same, and a day keeps .5 of the one before", replace(DAYS_DIFFER, keeps=0.5)),
        "lasts": ("the same, and a day keeps .9 of the one before", replace(DAYS_DIFFER, keeps=0.9)),
        "weather": (
            "binary, 12 inputs, of which days explain .3 of the variance",
            replace(DAYS_DIFFER, alike=0.3),
        ),
        "storms": (
            "binary, 12 inputs, of which days explain .5 of the variance",
            replace(DAYS_DIFFER, alike=0.5),
        ),
        "many": ("binary, 20 inputs, days differ", replace(DAYS_DIFFER, features=20)),
        "few": ("binary, 12 inputs, 200 rows a day", replace(DAYS_DIFFER, rows=200)),
        "numbers": ("a regression, 12 inputs, days differ", replace(DAYS_DIFFER, kind="regression")),
        "canary": ("binary, a second version answers a fifth", replace(DAYS_DIFFER, canary=0.2)),
        "unknown": ("binary, days differ, no outcomes", replace(DAYS_DIFFER, outcomes=False)),
    }
    return {
        (name := f"verdict-quiet-{key}"): Life(name, quiet(model), MODELS, what)
        for key, (what, model) in models.items()
    }


MODELS = 10


def _changed_rows() -> dict[str, Life]:
    risk, service = ("at_risk", "degraded"), "service"
    loss = Expected(kind="concept_change")
    planted: dict[str, tuple[str, Model, Change, Expected]] = {
        "3-points": ("accuracy 3 points lower", _NONE, Change(flipped=0.052), loss),
        "5-points": ("accuracy 5 points lower", _NONE, Change(flipped=0.086), loss),
        "5-points-days": ("the same, days differ", DAYS_DIFFER, Change(flipped=0.086), loss),
        "mae": ("mean absolute error a fifth higher", replace(_NONE, kind="regression"), Change(flipped=0.2), loss),
        "input-small": ("one input by 0.3 sd, no outcomes", UNKNOWN, Change(shift=(0.3,)), Expected(risk, ("x0",))),
        "input": ("one input by 0.5 sd, no outcomes", UNKNOWN, Change(shift=(0.5,)), Expected(risk, ("x0",))),
        "input-days": (
            "one input by 0.5 sd, no outcomes, days differ",
            replace(DAYS_DIFFER, outcomes=False),
            Change(shift=(0.5,)),
            Expected(risk, ("x0",)),
        ),
        "input-harmless": (
            "one input by 0.5 sd, to where the model is surer",
            _NONE,
            Change(shift=(-0.5,)),
            Expected(risk, ("x0",)),
        ),
        "estimate": (
            "inputs by 0.5 sd to where the model is unsure, no outcomes",
            UNKNOWN,
            Change(shift=(0.5, 0.5)),
            Expected(risk, ("x0", "x1")),
        ),
        "missing": (
            "six tenths of an input missing, no outcomes",
            UNKNOWN,
            Change(missing=0.6),
            Expected(risk, ("x1",), "data_fault"),
        ),
        "slow": (
            "calls last 3 times as long, objective latency_p95 <= 100ms",
            replace(_NONE, objective="latency_p95 <= 100ms"),
            Change(slower=3.0),
            Expected(("degraded",), metric="latency"),
        ),
        "errors": (
            "5 % of calls fail",
            _NONE,
            Change(failing=0.05),
            Expected(("degraded",), (), service, "error_rate"),
        ),
    }
    return {
        (name := f"verdict-{key}"): Life(name, changed(model, change, expected), MODELS, what)
        for key, (what, model, change, expected) in planted.items()
    }


def _told_quiet(_row: Life, one: Figures) -> list[str]:
    shares = [percent(one[state]) for state in ("healthy", "unknown", "at_risk", "degraded")]
    return [f"{one['windows']:,}", *shares, f"{one['times']:.2f}", f"{one['wrong_times']:.2f}"]


def _told_changed(_row: Life, one: Figures) -> list[str]:
    days = "more than 30" if one["median"] is None else f"{one['median']:g}"
    last = ", ".join(f"{percent(share)} {state.replace('_', ' ')}" for state, share in one["last"].items())
    return [f"{one['windows']:,}", percent(one["found"]), days, percent(one["named"]), last]


QUIET_ROWS, CHANGED_ROWS = _quiet_rows(), _changed_rows()
QUIET_HEAD = ["model", "models", "healthy", "unknown", "at risk", "degraded", "incidents in 90 days", "of these wrong"]
CHANGED_HEAD = ["planted", "models", "found within 30 days", "days, median", "cause named", "after 30 days"]
QUIET_LIVES = Table("verdict_quiet", QUIET_ROWS, table_of(QUIET_ROWS, QUIET_HEAD, _told_quiet))
CHANGED_LIVES = Table("verdict_changed", CHANGED_ROWS, table_of(CHANGED_ROWS, CHANGED_HEAD, _told_changed))
