"""The reading of one window: the state that it shows by itself, with its signs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.core import facts
from driftline_processor.core.drift.incident import WHERE
from driftline_processor.core.evaluation import (
    Evaluation,
    ServiceLevel,
)
from driftline_processor.core.service_level.failing import EARLIER, tells_usual
from driftline_processor.core.windows.window import DAY

from .context import NO_CONTEXT, VerdictContext
from .risks import signs_of_risk
from .sign import Sign
from .signs import no_loss, signs_of_loss

FURTHER = 1.5
"""Factor by which a drift must exceed the size at which outcomes showed it to be harmless, to be a risk again."""


class Reading(Struct, frozen=True):
    """The result of one window for its model.

    Attributes:
        state: The state by this window alone.
        evaluation: The window.
        signs: The signs of the state, the most important first; () without any.
        clear: Whether one window is enough.
        context: Facts in addition to the windows.
    """

    state: Literal["healthy", "degraded", "at_risk", "unknown"]
    evaluation: Evaluation
    signs: tuple[Sign, ...]
    clear: bool
    context: VerdictContext = NO_CONTEXT

    @property
    def decides(self) -> bool:
        """True if the window shows whether the model is healthy."""
        return self.state in ("healthy", "degraded")

    @property
    def stands_out(self) -> bool:
        """True if a sign is too rare by chance to be ignored in a single window."""
        window = self.evaluation.window
        return any(sign.stands_out(window.end - window.start) for sign in self.signs)

    def without(self, harmless: Mapping[str, float]) -> Reading:
        """Return the reading of a risk without the parts that are known to be harmless, unless they moved further.

        Args:
            harmless: The result of :func:`harmless_parts`.
        """
        if self.state != "at_risk" or not harmless:
            return self
        left = tuple(sign for sign in self.signs if not _is_harmless(sign, harmless))
        state: Literal["at_risk", "unknown"] = "at_risk" if left else "unknown"
        return replace(self, state=state, signs=left, clear=any(sign.clear for sign in left))

    @property
    def start(self) -> int | None:
        """Start of the window, unix nanoseconds; None if rows have no time."""
        window = self.evaluation.window
        return window.start if window.end > window.start else None

    @property
    def of_days(self) -> bool:
        """True if the window is a day or longer, so that times of day are omitted."""
        return self.evaluation.window.end - self.evaluation.window.start >= DAY

    def since(self, earliest: int | None = None) -> int | None:
        """Return since when the window alone shows its state.

        Args:
            earliest: Earliest start of an older lasting drift, unix nanoseconds; None = the window's start.
        """
        known_since = self.signs[0].since if self.signs else None
        if known_since is None or self.start is None:
            return self.start if known_since is None else known_since
        if self.signs[0].reason == "slice_loss":
            return known_since  # the windows since then show it together
        return max(known_since, self.start if earliest is None else earliest)


def read_window(
    evaluation: Evaluation, context: VerdictContext = NO_CONTEXT, earlier: Sequence[ServiceLevel] = ()
) -> Reading:
    """Read the state of one window.

    Outcomes have precedence: a drop makes the model degraded whatever the inputs did, and if the outcomes show none,
    the model is healthy in spite of drift. Drift and faulty data put it at risk only if outcomes are inconclusive.

    Args:
        evaluation: The window.
        context: Facts in addition to the windows.
        earlier: Service levels of earlier windows of the same length, see :func:`usual_service`.
    """
    reading = read_outcomes(evaluation, context, earlier)
    if not reading.decides and (risks := signs_of_risk(evaluation)):
        reading = Reading("at_risk", evaluation, tuple(risks), any(risk.clear for risk in risks), context)
    return reading


def read_outcomes(
    evaluation: Evaluation, context: VerdictContext = NO_CONTEXT, earlier: Sequence[ServiceLevel] = ()
) -> Reading:
    """Read whether one window shows its model healthy or degraded, without signs of risk.

    Args:
        evaluation: The window.
        context: Facts in addition to the windows.
        earlier: Service levels of earlier windows of the same length, see :func:`usual_service`.
    """
    losses = signs_of_loss(evaluation, context.concept, earlier)
    if losses:
        return Reading("degraded", evaluation, tuple(losses), any(loss.clear for loss in losses), context)
    fine = no_loss(evaluation)
    if context.has_same_rows:
        fine = Sign("same_rows", facts.SameRows(share=context.same), facts.SameRowsCompared(), clear=True)
    if fine is not None:
        return Reading("healthy", evaluation, (fine,), fine.clear, context)
    return Reading("unknown", evaluation, (), False, context)


def harmless_parts(reading: Reading, inside: Iterable[Reading] = ()) -> dict[str, float]:
    """Return the size of each part that drifted in a window, or was in an incident, without a degradation.

    A part of an incident that did not drift in the window has an unlimited size. What shorter windows with half of its
    rows show has drifted in it, too.

    Args:
        reading: The window, or the last days together.
        inside: Shorter windows of its rows.
    """
    if reading.state != "healthy":
        return {}
    shown = _sizes_of_parts(reading)
    rows = Counter[tuple[str, str]]()
    sizes: dict[str, float] = {}
    for one in inside:
        for part, size in _sizes_of_parts(one).items():
            rows[one.evaluation.window.name, part] += one.evaluation.rows
            sizes[part] = max(size, sizes.get(part, 0.0))
    most = (part for (_, part), number in rows.items() if 2 * number >= reading.evaluation.rows)
    return shown | {part: max(sizes[part], shown.get(part, 0.0)) for part in most}


def _sizes_of_parts(reading: Reading) -> dict[str, float]:
    """Return the parts that drifted in a window, or are in an incident. Without a decision, its signs are of risk."""
    signs = signs_of_risk(reading.evaluation) if reading.decides else reading.signs
    sizes = {one.part: abs(one.effect or 0.0) for one in signs if one.part}
    return dict.fromkeys(reading.evaluation.incident, math.inf) | sizes


def _is_harmless(sign: Sign, harmless: Mapping[str, float]) -> bool:
    """Return True if outcomes showed that a part which moved about as far does no harm."""
    shown = max((harmless.get(part, -1.0) for part in (sign.part, sign.part.partition(WHERE)[0])), default=-1.0)
    return shown >= 0 and abs(sign.effect or 0.0) <= FURTHER * shown


def usual_service(evaluations: Iterable[Evaluation]) -> list[tuple[Evaluation, tuple[ServiceLevel, ...]]]:
    """Return each window with the service levels of earlier windows of its length in which the service did not fail.

    So a lasting failure does not become normal. Windows without calls have an empty tuple.

    Args:
        evaluations: Windows of one series, of any lengths, the oldest first.
    """
    usual: dict[str, list[ServiceLevel]] = {}
    with_earlier: list[tuple[Evaluation, tuple[ServiceLevel, ...]]] = []
    for evaluation in evaluations:
        if evaluation.service is None:
            with_earlier.append((evaluation, ()))
            continue
        known = usual.setdefault(evaluation.window.name, [])
        before = tuple(known[-EARLIER:])
        with_earlier.append((evaluation, before))
        if tells_usual(evaluation, before):
            known.append(evaluation.service)
    return with_earlier
