"""What changed in the inputs and the scores: a table of features, what drifts since when, and slices."""

from __future__ import annotations

from collections.abc import Sequence

from driftline_processor.core.drift.multivariate import JOINT
from driftline_processor.core.evaluation import Evaluation, TargetDrift
from driftline_processor.present import states, times
from driftline_processor.present.lasting import lasting_sentences, what_lacks
from driftline_processor.present.numbers import finite
from driftline_processor.web.page import Page, Table
from driftline_processor.web.selection import Selection, about, common_context

CARDS = 100
"""Features drawn on one page, the most drifted first."""

HEAT = 40
"""Features in the overview of what drifts since when."""


def page(selection: Selection, now: int) -> Page:
    """Return the drift of a model in a window and over the range."""
    context, chosen = common_context(selection, "drift", now), selection.chosen
    if chosen is None:
        return Page("model/drift.html", context, {"features": _table(())}, about(selection))
    ranked = states.rank(chosen.features.values())
    context |= {
        "ranked": ranked[:CARDS],
        "left_out": max(len(ranked) - CARDS, 0),
        "heated": _heated(selection.shown, ranked)[:HEAT],
        "lasting": lasting_sentences(chosen, lambda time: times.moment(time, selection.model.timezone)),
        "lasting_lacks": what_lacks(chosen),
        "joint": JOINT,
    }
    return Page("model/drift.html", context, {"features": _table(ranked)}, about(selection))


def _heated(shown: Sequence[Evaluation], ranked: Sequence[TargetDrift]) -> list[str]:
    """Features by how often they drift in the windows shown, then as ranked in the chosen one."""
    often: dict[str, int] = {target.name: 0 for target in ranked}
    for evaluation in shown:
        for name, target in evaluation.features.items():
            often[name] = often.get(name, 0) + (target.state == "drift")
    return sorted(often, key=lambda name: -often[name])


def _table(targets: Sequence[TargetDrift]) -> Table:
    columns = ("feature", "state", "size", "method", "value", "p_value", "psi", "missing_was", "missing_now", "rows")
    return Table(
        columns,
        [
            (
                *(target.name, target.state, target.size or None, target.decided_by),
                *((one.value, one.p_value) if (one := target.methods.get(target.decided_by)) else (None, None)),
                finite(psi.value) if (psi := target.methods.get("psi")) else None,
                *(target.missing_was, target.missing_now, target.rows),
            )
            for target in targets
        ],
    )
