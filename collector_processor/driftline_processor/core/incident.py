"""When drift is an incident: what a policy may wake somebody for.

State *drift* is a statement about one window, and among 24 windows a day of 50 models one in a hundred that is wrong is
twelve a day. So an incident begins when a target drifts in two windows in a row, or in one beyond doubt, and ends when
it is quiet in two. At default settings and hourly windows that is far less than one false incident per model in 90 days
(docs/methods.md has the figures); a drift that lasts is reported one window later, a large one at once.
"""

from __future__ import annotations

from collections.abc import Iterator

from .evaluation import Evaluation, TargetDrift

AT_ONCE = 1e-6
"""Adjusted p-values up to this need no second window: 2,160 hourly windows of 90 days make 0.004 false ones."""


def incident(current: Evaluation, previous: Evaluation | None) -> dict[str, int]:
    """Return the targets that are in an incident, and since when: the part of a pane → start of its first window.

    ``previous``: the window before it, of the same model, version, slice and length, with its own incident; None where
    there is none. Targets are named as their parts are: ``feature:NAME``, ``score``, ``class``. One that cannot be
    judged in a window neither begins nor ends an incident, and a window that is still open begins none.
    """
    before = {} if previous is None else previous.incident
    drifted_before = set() if previous is None else {name for name, one in targets(previous) if one.state == "drift"}
    found: dict[str, int] = {}
    for name, target in targets(current):
        if name in before and (target.state != "ok" or name in drifted_before or not current.closed):
            found[name] = before[name]
        elif target.state == "drift" and current.closed:
            if previous is not None and previous.closed and name in drifted_before:
                found[name] = previous.window.start
            elif _beyond_doubt(target):
                found[name] = current.window.start
    return found


def targets(evaluation: Evaluation) -> Iterator[tuple[str, TargetDrift]]:
    """Yield every target by the name of its part: features, then score and class."""
    for name, feature in evaluation.features.items():
        yield f"feature:{name}", feature
    for part, target in (("score", evaluation.score), ("class", evaluation.predicted)):
        if target is not None:
            yield part, target


def _beyond_doubt(target: TargetDrift) -> bool:
    p = target.methods[target.decided_by].p_value
    return p is not None and p <= AT_ONCE
