"""The queries that monitors of vendors are made of: a metric of the registry, what its attributes are, and a limit.

Vendors compare one number with another. Conditions that compare with the past, or join others, are left out with the
reason; Driftline tells them itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

from driftline.semconv import attributes as a
from driftline.semconv import metrics as m

from driftline_processor.config.model import Model
from driftline_processor.config.policies import Policy
from driftline_processor.core.policy.condition import (
    Comparison,
    Condition,
    Drifts,
    ObjectiveBroken,
    OutcomesLate,
    VerdictIs,
)
from driftline_processor.core.policy.signals import ESTIMATED, Signal
from driftline_processor.core.service_level.level import AVAILABILITY, ERROR_RATE, LATENCIES
from driftline_processor.core.windows.window import length

from .signal_queries import LeftOut, NoQueryError

Sign = Literal["<", "<=", ">", ">="]

LET_IT: Final = "let Driftline tell it"

_OF_DRIFT: Final = (m.DRIFTLINE_DRIFT_FRACTION, m.DRIFTLINE_DRIFT_VALUE)

LONGEST: Final = 86_400
"""Seconds for which the monitors of both vendors can see that a condition holds."""

_WEIGHTINGS: Final = {"drift_share": "none", "weighted_drift_share": "importance"}


class VendorQuery(NamedTuple):
    """A number of the newest window, and where it breaks a condition.

    Attributes:
        metric: Name of the metric, as OTLP has it.
        wanted: Attribute → the values one of which it has.
        sign: How it is compared.
        limit: With what.
        counted: Whether series are counted, each of which is 1; else the greatest or least of them counts.
        absent: Attributes that it must not have: it is of all rows, and not of a slice.
    """

    metric: str
    wanted: Mapping[str, Sequence[str]]
    sign: Sign
    limit: float
    counted: bool = False
    absent: tuple[str, ...] = ()


class VendorScope(NamedTuple):
    """Models that a monitor watches in windows of one length.

    Attributes:
        window: Name of the length.
        names: Names of the models; () = all, but those of ``without``.
        without: Names of models that have a monitor of their own.
    """

    window: str
    names: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


class VendorPolicy(NamedTuple):
    """What a monitor says of a policy.

    Attributes:
        name: Of the policy.
        policy: The policy.
        scope: The models.
        query: When it fires.
    """

    name: str
    policy: Policy
    scope: VendorScope
    query: VendorQuery

    @property
    def title(self) -> str:
        """Name of the monitor: of the policy, and of the windows in which it judges."""
        return f"driftline: {self.name} ({self.scope.window})"

    @property
    def held(self) -> int:
        """Seconds for which the condition holds before it fires."""
        return max((self.policy.in_a_row - 1) * length(self.scope.window) // 10**9, 0)


def vendor_policies(
    policies: Mapping[str, Policy], models: Mapping[str, Model]
) -> tuple[list[VendorPolicy], list[LeftOut]]:
    """Return the policies that vendors can watch, and what they cannot.

    Args:
        policies: Those that are looked at, by name.
        models: The models of the file, by name.
    """
    found: list[VendorPolicy] = []
    left_out: list[LeftOut] = []
    for name, policy in policies.items():
        made: list[VendorPolicy] = []
        try:
            for scope in _scopes(policy, models):
                query = vendor_query(policy.condition, scope.window)
                one = VendorPolicy(name, policy, scope, query)
                if one.held > LONGEST:
                    rows = f"{policy.in_a_row} windows of {scope.window}"
                    raise NoQueryError(f"{rows} in a row are longer than a monitor sees; {LET_IT}")
                made.append(one)
        except NoQueryError as reason:
            left_out.append(LeftOut(f"policies.{name}.when", str(reason)))
        else:
            found += made
    return found, left_out


def vendor_query(condition: Condition, window: str) -> VendorQuery:
    """Return the query of a condition in windows of a length. Raises :class:`NoQueryError` where there is none."""
    match condition:
        case VerdictIs(states=states):
            return VendorQuery(m.DRIFTLINE_MODEL_STATUS, {a.DRIFTLINE_STATE: states}, ">=", 1)
        case ObjectiveBroken(rule=rule):
            named = {a.DRIFTLINE_OBJECTIVE_RULE: [rule]} if rule else {}
            wanted = {a.DRIFTLINE_WINDOW: [window], **named, a.DRIFTLINE_STATE: ["broken"]}
            return VendorQuery(m.DRIFTLINE_OBJECTIVE_STATUS, wanted, ">=", 1)
        case OutcomesLate():
            return VendorQuery(
                m.DRIFTLINE_OUTCOME_SLA_STATUS, {a.DRIFTLINE_WINDOW: [window], a.DRIFTLINE_STATE: ["broken"]}, ">=", 1
            )
        case Drifts(target=target, count=count):
            of = {a.DRIFTLINE_DRIFT_COLUMN: [target.removesuffix("s") if target == "features" else target]}
            wanted = {a.DRIFTLINE_WINDOW: [window], **of, a.DRIFTLINE_STATE: ["drift"]}
            absent = (a.DRIFTLINE_DRIFT_SLICE,)
            return VendorQuery(m.DRIFTLINE_DRIFT_STATUS, wanted, ">=", count, target == "features", absent)
        case Comparison(limit=limit) if not limit.of:
            return _comparison(condition, window)
        case Comparison():
            raise NoQueryError(f"'{condition.written}' compares with the past or the baseline; {LET_IT}")
        case _:
            raise NoQueryError(f"'{condition.written}' is more than one number; {LET_IT}")


def _comparison(condition: Comparison, window: str) -> VendorQuery:
    signal, sign, limit = condition.signal, condition.sign, condition.limit.number
    if signal.is_business:
        raise NoQueryError(f"{signal.name} is a metric of yours; ask for that one, or {LET_IT}")
    if signal.slice:
        raise NoQueryError(f"'{condition.written}' is of a slice; {LET_IT}")
    metric, wanted = _metric(signal, condition.surely, sign)
    if signal.name == AVAILABILITY:  # the share of calls that fail is the metric
        flipped: dict[str, Sign] = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
        sign, limit = flipped[sign], round(1 - limit, 12)
    slices = (a.DRIFTLINE_DRIFT_SLICE,) if metric in _OF_DRIFT else (a.DRIFTLINE_PERFORMANCE_SLICE,)
    return VendorQuery(metric, {a.DRIFTLINE_WINDOW: [window], **wanted}, sign, limit, absent=slices)


def _metric(signal: Signal, surely: bool, sign: Sign) -> tuple[str, dict[str, list[str]]]:
    """Return the metric of a number, and its attributes. Raises :class:`NoQueryError` where it is none."""
    if surely and not signal.of_outcomes:
        raise NoQueryError(f"the interval of {signal.name} is no metric; leave out surely")
    if signal.name == "coverage":
        return m.DRIFTLINE_OUTCOME_COVERAGE, {}
    if signal.name in _WEIGHTINGS:
        return m.DRIFTLINE_DRIFT_FRACTION, {a.DRIFTLINE_DRIFT_WEIGHTING: [_WEIGHTINGS[signal.name]]}
    if signal.name in LATENCIES:
        return m.DRIFTLINE_SERVICE_LATENCY, {a.DRIFTLINE_SERVICE_QUANTILE: [f"{LATENCIES[signal.name]:g}"]}
    if signal.name in (ERROR_RATE, AVAILABILITY):
        return m.DRIFTLINE_SERVICE_ERROR_RATE, {}
    what, of, target = signal.name.partition(" of ")
    if of:
        if what == "missing":
            raise NoQueryError(f"the share of missing values of {target} is no metric; {LET_IT}")
        outputs = target in ("score", "class")
        named = {a.DRIFTLINE_DRIFT_COLUMN: [target]} if outputs else {a.DRIFTLINE_FEATURE_NAME: [target]}
        return m.DRIFTLINE_DRIFT_VALUE, {**named, a.DRIFTLINE_DRIFT_METHOD: [what]}
    if signal.name == "predictions":
        raise NoQueryError(f"how many predictions a window holds is no metric; {LET_IT}")
    if signal.name.startswith(ESTIMATED):
        raise NoQueryError(f"another metric says whether an estimate failed; {LET_IT}")
    ends = {True: m.DRIFTLINE_PERFORMANCE_HIGH, False: m.DRIFTLINE_PERFORMANCE_LOW}
    measured = ends[sign.startswith("<")] if surely else m.DRIFTLINE_PERFORMANCE_VALUE
    return measured, {a.DRIFTLINE_PERFORMANCE_METRIC: [signal.name]}


def _scopes(policy: Policy, models: Mapping[str, Model]) -> list[VendorScope]:
    """Return the models of a policy by the windows in which it judges them: those that the file names."""
    by_window: dict[str, list[str]] = {}
    for name, model in models.items():
        if policy.covers(name, model.tier):
            by_window.setdefault(_window(policy, model), []).append(name)
    every = tuple(policy.models) == ("*",) and not policy.tiers
    usual = _window(policy, Model())
    scopes = [VendorScope(one, tuple(names)) for one, names in by_window.items() if not (every and one == usual)]
    if every:
        others = tuple(name for one, names in by_window.items() if one != usual for name in names)
        return [VendorScope(usual, (), others), *scopes]
    if not scopes:
        raise NoQueryError(f"the file names no model that it is about; declare them under models, or {LET_IT}")
    return scopes


def _window(policy: Policy, model: Model) -> str:
    return policy.window or max(model.windows, key=length)
