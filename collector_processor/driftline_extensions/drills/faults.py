"""The faults of drills: their effect and the expected notification, in one table, :data:`FAULTS`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from driftline.tables.classes import class_column
from driftline.tables.table import F64, Column, is_present, length, numbers_of, take_rows
from driftline_processor.core.evaluation import ChangeKind, Finding, Verdict, VerdictState
from driftline_processor.core.fact import Fact, columns_of, facts_within
from driftline_processor.core.nearest_names import near
from driftline_processor.core.service_level.level import LATENCIES
from driftline_processor.core.windows.window import DAY
from driftline_processor.present.wording import short
from driftline_processor.readers.errors import BadInput
from driftline_processor.replay.traffic import Features, Traffic, joined
from msgspec import Struct, structs
from numpy.typing import NDArray

Random = np.random.Generator

PROBES: Final = 20
"""Rows that an attacker starts from."""


class Injection(Struct, frozen=True):
    """Parameters of an injected fault.

    Attributes:
        at: Begin, unix nanoseconds.
        size: Size, in the fault's unit.
        fraction: Fraction of rows with the fault.
        feature: Feature with the fault; "" if the fault has none.
        rng: Random generator.
    """

    at: int
    size: float
    fraction: float
    feature: str
    rng: Random

    def rows(self, traffic: Traffic) -> NDArray[np.bool_]:
        """Return the rows with the fault: bool (n,)."""
        return np.asarray((traffic.time >= self.at) & (self.rng.random(len(traffic)) < self.fraction))


class Fault(Struct, frozen=True):
    """A fault, and the expected notification.

    Attributes:
        name: Its name on the command line.
        description: Its description.
        inject: Returns the traffic with the fault.
        size: Default size.
        unit: Unit of the size; "" if it has none.
        inputs: Suitable features: ``any``, ``numbers``, or "" for none.
        kinds: Kinds of change that identify its cause.
        states: States of a verdict that show it.
        reason: Reason for the expected notification.
        condition: A policy condition that detects it.
        runbook: The runbook in its message.
        needs: Requirements on the traffic: ``outcomes``, ``latency``, ``two inputs``.
        cause: Signals, metrics, checks and kinds of facts that identify its cause if no kind of change does.
    """

    name: str
    description: str
    inject: Callable[[Traffic, Injection], Traffic]
    size: float
    unit: str
    inputs: str
    kinds: tuple[ChangeKind, ...]
    states: tuple[VerdictState, ...]
    reason: str
    condition: str
    runbook: str
    needs: tuple[str, ...] = ()
    cause: frozenset[str] = frozenset()

    @property
    def words(self) -> str:
        """The name for a sentence."""
        return self.name.replace("-", " ")

    def identifies(self, verdict: Verdict | None, subjects: Collection[str], features: Sequence[str]) -> bool:
        """Return True if a verdict or a policy's finding identifies the right cause.

        Args:
            verdict: The verdict.
            subjects: Subjects of the findings of policies that fired.
            features: Features with the fault, one of which must be named.
        """
        texts = () if verdict is None else (verdict.cause, verdict.advice, *verdict.reasons)
        facts = [fact for text in texts for fact in facts_within(text)]
        metric = "" if verdict is None else verdict.metric
        if not self.cause.isdisjoint({*subjects, metric, *(fact.kind for fact in facts), *map(_check, facts)}):
            return True
        if verdict is None or (verdict.kind not in self.kinds and not (verdict.state == "no_data" in self.states)):
            return False
        names = {name for text in texts for name in columns_of(text)}
        names |= {subject.removeprefix(_COLUMN) for subject in subjects if subject.startswith(_COLUMN)}
        return not features or not names.isdisjoint(features)


_COLUMN = "column:"


def _check(fact: Fact) -> str:
    return fact.check if isinstance(fact, Finding) else ""


# -- what breaks ----------------------------------------------------------------------------------------------------


def _changed(traffic: Traffic, name: str, column: Column, rows: NDArray[np.bool_]) -> Traffic:
    """Return the traffic with other values of one feature in some rows."""
    features = {**traffic.features, name: _mixed(traffic.features[name], column, rows)}
    return _asked_again(traffic, features, rows)


def _asked_again(traffic: Traffic, features: Features, rows: NDArray[np.bool_]) -> Traffic:
    """Return the traffic with other features and new scores in some rows."""
    if traffic.model is None or traffic.scores is None:
        return structs.replace(traffic, features=features)
    scores = np.where(rows[:, None], traffic.model(features), traffic.scores)
    return structs.replace(traffic, features=features, scores=scores)


def _mixed(before: Column, after: Column, rows: NDArray[np.bool_]) -> Column:
    """Return ``after`` in some rows, else ``before``."""
    codes, categories = before.codes, before.categories
    if after.codes is not None or codes is not None:
        index = {category: index for index, category in enumerate(categories)}
        for category in after.categories:
            index.setdefault(category, len(index))
        places = np.array([*(index[category] for category in after.categories), -1], np.int32)
        old = np.full(len(rows), -1, np.int32) if codes is None else codes
        new = np.full(len(rows), -1, np.int32) if after.codes is None else places[after.codes]
        codes, categories = np.where(rows, new, old).astype(np.int32), tuple(index)
    numbers = None
    if before.numbers is not None or after.numbers is not None:
        numbers = np.where(rows, numbers_of(_sized(after, len(rows))), numbers_of(_sized(before, len(rows))))
    return Column(numbers, codes, categories)


def _sized(column: Column, n: int) -> Column:
    return column if column.numbers is not None else Column(np.full(n, np.nan))


def _null(traffic: Traffic, how: Injection) -> Traffic:
    n = len(traffic)
    nothing = Column(np.full(n, np.nan), np.full(n, -1, np.int32))
    return _changed(traffic, how.feature, nothing, how.rows(traffic))


def _unit(traffic: Traffic, how: Injection) -> Traffic:
    column = traffic.features[how.feature]
    return _changed(traffic, how.feature, replace(column, numbers=numbers_of(column) * how.size), how.rows(traffic))


def _swapped(traffic: Traffic, how: Injection) -> Traffic:
    partner = partner_of(traffic, how.feature)
    rows = how.rows(traffic)
    column, partner_column = traffic.features[how.feature], traffic.features[partner]
    features = {
        **traffic.features,
        how.feature: _mixed(column, partner_column, rows),
        partner: _mixed(partner_column, column, rows),
    }
    return _asked_again(traffic, features, rows)


def _schema(traffic: Traffic, how: Injection) -> Traffic:
    """Send numbers as texts, and texts as numbers."""
    column, rows = traffic.features[how.feature], how.rows(traffic)
    n = len(traffic)
    if column.codes is not None and (column.codes >= 0).any():
        numbers = np.where(column.codes >= 0, column.codes.astype(np.float64), np.nan)
        return _changed(traffic, how.feature, Column(numbers, np.full(n, -1, np.int32)), rows)
    values = np.where(rows, numbers_of(column), np.nan)
    finite_rows = np.flatnonzero(np.isfinite(values))
    categories, codes = np.unique([f"{value:.6g}" for value in values[finite_rows].tolist()], return_inverse=True)
    new_codes = np.full(n, -1, np.int32)
    new_codes[finite_rows] = codes.reshape(-1)
    return _changed(traffic, how.feature, Column(np.full(n, np.nan), new_codes, tuple(map(str, categories))), rows)


def _inputs_move(traffic: Traffic, how: Injection) -> Traffic:
    """Replace rows by others of the same time, with a probability that grows with their value.

    Repeated whole rows would be a data fault. So if the model can be called, only the feature is drawn, and scores
    and outcomes follow from it. Recorded rows are drawn as a whole.
    """
    after = np.flatnonzero(traffic.time >= how.at)
    if not len(after):
        return traffic
    weights = np.exp(np.clip(how.size * _places(traffic.features[how.feature])[after], -30, 30))
    hit = after[how.rows(traffic)[after]]
    drawn_rows = np.arange(len(traffic))
    drawn_rows[hit] = how.rng.choice(after, len(hit), p=weights / weights.sum())
    if traffic.model is not None and traffic.scores is not None and traffic.actual is not None:
        rows: NDArray[np.bool_] = np.zeros(len(traffic), np.bool_)
        rows[hit] = True
        changed = _changed(traffic, how.feature, take_rows(traffic.features[how.feature], drawn_rows), rows)
        assert changed.scores is not None
        followed = traffic.model.truth(changed.scores, how.rng)
        slices = {
            name: changed.features[name] if name == how.feature else column for name, column in changed.slices.items()
        }
        return structs.replace(changed, actual=_mixed(traffic.actual, followed, rows), slices=slices)
    resampled = traffic.take(drawn_rows)
    known_times = np.where(resampled.outcome_time > 0, traffic.time + (resampled.outcome_time - resampled.time), 0)
    return structs.replace(resampled, time=traffic.time, number=traffic.number, outcome_time=known_times)


def _places(column: Column) -> F64:
    """Return the normal score of each value's rank; missing values are in the middle."""
    from scipy.special import ndtri

    values = numbers_of(column) if column.numbers is not None else np.asarray(column.codes, np.float64)
    usable = np.isfinite(values) & (values >= 0 if column.numbers is None else np.ones(len(values), np.bool_))
    places = np.zeros(len(values))
    if usable.any():
        order = np.sort(values[usable])
        middle = (np.searchsorted(order, values[usable]) + np.searchsorted(order, values[usable], side="right")) / 2
        places[usable] = ndtri(np.clip(middle / len(order), 0.01, 0.99))
    return places


def _truth_turns(traffic: Traffic, how: Injection) -> Traffic:
    """Change the outcomes of the same features: other classes in a fraction of the rows, shifted numbers."""
    assert traffic.actual is not None
    rows = how.rows(traffic)
    if traffic.task.predicts_number:
        numbers = numbers_of(traffic.actual)
        deviation = float(np.nanstd(numbers)) or 1.0
        return structs.replace(traffic, actual=Column(np.where(rows, numbers + how.size * deviation, numbers)))
    rows &= how.rng.random(len(traffic)) < min(how.size, 1.0)
    return structs.replace(traffic, actual=_turned(traffic.actual, traffic.task.classes, rows))


def _turned(actual: Column, classes: Sequence[str], rows: NDArray[np.bool_]) -> Column:
    """Return the next class in some rows."""
    actual = class_column(actual)
    if actual.codes is None:
        return actual
    categories = tuple(dict.fromkeys([*classes, *actual.categories]))
    places = np.array([*(categories.index(category) for category in actual.categories), -1], np.int32)
    codes = places[actual.codes]
    turned = np.where(codes >= 0, (codes + 1) % len(categories), -1)
    return Column(codes=np.where(rows, turned, codes).astype(np.int32), categories=categories)


def _outcomes_late(traffic: Traffic, how: Injection) -> Traffic:
    late = how.rows(traffic) & (traffic.outcome_time > 0)
    return structs.replace(
        traffic, outcome_time=np.where(late, traffic.outcome_time + int(how.size * DAY), traffic.outcome_time)
    )


def _outcomes_mixed_up(traffic: Traffic, how: Injection) -> Traffic:
    """Give a fraction of the rows the outcome of another row, as a wrong join does."""
    assert traffic.actual is not None
    rows = how.rows(traffic) & (how.rng.random(len(traffic)) < min(how.size, 1.0))
    hit = np.flatnonzero(rows & is_present(traffic.actual))
    order = np.arange(len(traffic))
    order[hit] = how.rng.permutation(hit)
    return structs.replace(traffic, actual=take_rows(traffic.actual, order))


def _silent(traffic: Traffic, how: Injection) -> Traffic:
    return traffic.take(~how.rows(traffic))


def _slow(traffic: Traffic, how: Injection) -> Traffic:
    assert traffic.duration is not None
    return structs.replace(traffic, duration=np.where(how.rows(traffic), traffic.duration * how.size, traffic.duration))


def _burst(traffic: Traffic, how: Injection) -> Traffic:
    """Add a day's burst of calls that probe the model.

    They repeat a few rows close to its threshold with small changes of one feature. They have no outcomes.
    """
    day = (traffic.time >= how.at) & (traffic.time < how.at + DAY)
    usual = int(day.sum())
    added = round(how.size * usual * how.fraction)
    before = np.flatnonzero(traffic.time < how.at)
    if not added or not len(before):
        return traffic
    seeds = before[np.argsort(_margins(traffic)[before], kind="stable")[:PROBES]]
    seed_rows = seeds[how.rng.integers(0, len(seeds), added)]
    time = np.sort(how.at + how.rng.integers(0, DAY, added))
    rows = traffic.take(seed_rows)
    column = rows.features[how.feature]
    if column.numbers is not None:
        deviation = float(np.nanstd(numbers_of(traffic.features[how.feature]))) or 1.0
        numbers = column.numbers + deviation * 0.01 * how.rng.integers(-2, 3, added)
        rows = rows.with_features({**rows.features, how.feature: replace(column, numbers=numbers)})
    number = int(traffic.number.max()) + 1 + np.arange(added, dtype=np.int64)
    added_rows = structs.replace(rows, time=time, number=number, outcome_time=np.zeros(added, np.int64))
    return joined([traffic, added_rows])


def _margins(traffic: Traffic) -> F64:
    """Return the distance of each score from the decision boundary."""
    if traffic.scores is None:
        return np.zeros(len(traffic))
    if traffic.task.has_threshold:
        return np.abs(traffic.scores[:, 0] - traffic.task.threshold)
    if traffic.task.has_class_scores:
        ordered = np.sort(traffic.scores, axis=1)
        return np.asarray(ordered[:, -1] - ordered[:, -2], np.float64)
    return np.abs(traffic.scores[:, 0] - np.median(traffic.scores[:, 0]))


# -- which input ----------------------------------------------------------------------------------------------------


def is_number(column: Column) -> bool:
    """Return True if most present values of a feature are numbers."""
    is_finite = np.isfinite(numbers_of(column)) if column.numbers is not None else np.zeros(0, np.bool_)
    return bool(is_finite.sum() > (0 if column.codes is None else (column.codes >= 0).sum()))


def partner_of(traffic: Traffic, name: str) -> str:
    """Return the feature of the same kind whose values are farthest from those of another.

    Raises:
        BadInput: There is none.
    """
    number = is_number(traffic.features[name])
    candidates = [
        candidate for candidate, column in traffic.features.items() if candidate != name and is_number(column) == number
    ]
    if not candidates:
        kind = "number" if number else "category"
        raise BadInput(f"{traffic.key.model}: no other input is a {kind}, so '{short(name, 40)}' cannot be swapped")
    if not number:
        return candidates[0]
    quantiles = _quantiles(traffic.features[name])
    return max(candidates, key=lambda candidate: _range_distance(quantiles, _quantiles(traffic.features[candidate])))


def _quantiles(column: Column) -> F64:
    numbers = numbers_of(column)
    return np.asarray(np.quantile(numbers[np.isfinite(numbers)], [0.05, 0.5, 0.95]), np.float64)


def _range_distance(first: F64, second: F64) -> float:
    """Return the distance of two quantile ranges relative to their length."""
    reach = max(float(first[2] - first[0]), float(second[2] - second[0]), 1e-12)
    return abs(float(first[1] - second[1])) / reach


def choose_feature(fault: Fault, traffic: Traffic, asked_name: str) -> str:
    """Return the feature of a fault: the requested one, else the first suitable one.

    Raises:
        BadInput: There is no such feature, or it is not suitable.
    """
    features = traffic.features
    if not fault.inputs:
        if asked_name and asked_name not in features:
            raise BadInput(f"--feature: there is no input '{asked_name:.80}'; {near(asked_name, [*features])}")
        return ""
    fit = [
        name
        for name, column in features.items()
        if (fault.inputs == "any" or is_number(column)) and (length(column) and is_present(column).any())
    ]
    if not asked_name:
        if not fit:
            raise BadInput(f"{traffic.key.model}: has no numeric input, which {fault.words} needs")
        return fit[0]
    if asked_name not in features:
        raise BadInput(f"--feature: there is no input '{asked_name:.80}'; {near(asked_name, [*features])}")
    if asked_name not in fit:
        raise BadInput(f"--feature: '{asked_name:.80}' contains no numbers; {fault.words} needs a numeric input")
    return asked_name


def lacking(fault: Fault, traffic: Traffic) -> str:
    """Return what a traffic lacks for a fault, as a clause; "" if it lacks nothing."""
    without = traffic.actual is None or not is_present(traffic.actual).any()
    if "outcomes" in fault.needs and without:
        return "there are no outcomes"
    if "latency" in fault.needs and traffic.duration is None:
        return "there are no durations of calls (--latency COL)"
    if "two inputs" in fault.needs and len(traffic.features) < 2:
        return "it has only one input"
    if fault.inputs and not traffic.features:
        return "it has no inputs"
    if "no items" in fault.needs and traffic.items is not None:
        return "a burst of rankings cannot be generated"
    return ""


_DATA: Final[tuple[ChangeKind, ...]] = ("data_fault",)
_SEEN: Final[tuple[VerdictState, ...]] = ("degraded", "at_risk")

FAULTS: Mapping[str, Fault] = {
    one.name: one
    for one in (
        Fault(
            name="feature-null",
            description="an input is empty",
            inject=_null,
            size=1.0,
            unit="",
            inputs="any",
            kinds=_DATA,
            states=_SEEN,
            reason="An upstream join that finds no row leaves values empty: a data fault of this input.",
            condition="missing of {feature} > 5 %",
            runbook="pipeline-break",
        ),
        Fault(
            name="unit-change",
            description="an input is in another unit",
            inject=_unit,
            size=100.0,
            unit="times the value",
            inputs="numbers",
            kinds=_DATA,
            states=_SEEN,
            reason="All values are multiplied by the same factor: a data fault of this input.",
            condition="data faulty",
            runbook="unit-change",
        ),
        Fault(
            name="swapped-columns",
            description="two inputs are swapped",
            inject=_swapped,
            size=1.0,
            unit="",
            inputs="any",
            kinds=_DATA,
            states=_SEEN,
            reason="Each input has the values of the other: a data fault of one or both inputs.",
            condition="data faulty",
            runbook="pipeline-break",
            needs=("two inputs",),
        ),
        Fault(
            name="schema-break",
            description="an input has another type",
            inject=_schema,
            size=1.0,
            unit="",
            inputs="any",
            kinds=_DATA,
            states=_SEEN,
            reason="Numbers arrive as texts, or texts as numbers: a data fault of this input.",
            condition="data faulty",
            runbook="pipeline-break",
        ),
        Fault(
            name="covariate-shift",
            description="the inputs shift, and the outcomes follow from them as before",
            inject=_inputs_move,
            size=1.5,
            unit="deviations",
            inputs="any",
            kinds=("covariate_shift", "label_shift"),
            states=_SEEN,
            reason=(
                "The inputs shifted, but their outcomes did not: covariate shift."
                " It is a risk until outcomes show more."
            ),
            condition="features drift",
            runbook="concept-change",
        ),
        Fault(
            name="concept-shift",
            description="other outcomes follow from the same inputs",
            inject=_truth_turns,
            size=0.3,
            unit="of the outcomes, or deviations",
            inputs="",
            kinds=("concept_change", "label_shift", "calibration"),
            states=("degraded",),
            reason="Only outcomes show it: the model is degraded, and its inputs are unchanged.",
            condition="verdict is degraded",
            runbook="concept-change",
            needs=("outcomes",),
        ),
        Fault(
            name="label-delay",
            description="outcomes arrive late",
            inject=_outcomes_late,
            size=30.0,
            unit="days",
            inputs="",
            kinds=(),
            states=("unknown", "at_risk"),
            reason="A verdict is not possible: a separate policy must report that outcomes are missing.",
            condition="coverage < 50 %",
            runbook="label-delay",
            needs=("outcomes",),
            cause=frozenset({"coverage", "outcomes_in_time", "no_outcomes"}),
        ),
        Fault(
            name="label-error",
            description="rows get the outcomes of other rows",
            inject=_outcomes_mixed_up,
            size=0.6,
            unit="of the outcomes",
            inputs="",
            kinds=("concept_change", "label_shift", "calibration"),
            states=("degraded",),
            reason="The model looks degraded: outcomes alone cannot distinguish a wrong join from a real change.",
            condition="verdict is degraded",
            runbook="label-delay",
            needs=("outcomes",),
        ),
        Fault(
            name="dead-exporter",
            description="no more rows arrive",
            inject=_silent,
            size=1.0,
            unit="",
            inputs="",
            kinds=(),
            states=("no_data",),
            reason="The model has no data, although its usual rate means that rows should have arrived.",
            condition="verdict is no_data",
            runbook="pipeline-break",
        ),
        Fault(
            name="slow-model",
            description="calls take longer",
            inject=_slow,
            size=10.0,
            unit="times the duration",
            inputs="",
            kinds=("service",),
            states=("degraded",),
            reason="Only an objective or a policy defines which calls are too slow. Without one, nothing should fire.",
            condition="latency_p99 > {latency}ms",
            runbook="slow-or-failing-model",
            needs=("latency",),
            cause=frozenset(LATENCIES),
        ),
        Fault(
            name="adversarial-burst",
            description="somebody probes the model with many similar rows",
            inject=_burst,
            size=3.0,
            unit="times a day's rows",
            inputs="any",
            kinds=("data_fault", "covariate_shift"),
            states=_SEEN,
            reason="Rows are duplicates, or lie where there were few rows: a data fault, or covariate shift.",
            condition="predictions > 2 * average of 7",
            runbook="attack",
            needs=("no items",),
            cause=frozenset({"duplicates", "stale", "predictions"}),
        ),
    )
}
"""The faults by name."""
