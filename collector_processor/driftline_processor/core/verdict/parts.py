"""The verdict of a model over its versions and environments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from driftline.tables.table import ModelKey
from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.core.evaluation import Verdict

from .states import rank_state

_KNOWN = ("healthy", "unknown")


class ModelPart(Struct, frozen=True):
    """One version of a model in one environment, with its verdict.

    Attributes:
        key: Model, version and environment.
        verdict: Its own verdict.
        rows: Rows of its newest closed window: its share of the traffic.
        start: Start of that window, unix nanoseconds; None if rows have no time.
        end: End of that window.
        answers: Whether its predictions are used; False for a shadow.
    """

    key: ModelKey
    verdict: Verdict
    rows: int = 0
    start: int | None = None
    end: int | None = None
    answers: bool = True


def fold_verdicts(parts: Iterable[ModelPart]) -> Verdict | None:
    """Return the verdict of a model from those of its versions and environments; None without any.

    The state that is first in :data:`.states.ORDER` wins; between healthy and unknown, the part with most rows. Shadows
    do not count, nor versions that another version of the same environment replaced.
    """
    counted = parts_in_use(parts)
    if not counted:
        return None
    worst = min(counted, key=order_of_need)
    if len(counted) == 1:
        return worst.verdict
    return _with_name(worst, counted)


def parts_in_use(parts: Iterable[ModelPart]) -> list[ModelPart]:
    """Return the versions and environments that count: no shadows, and no replaced versions."""
    known = list(parts)
    counted = [part for part in known if part.answers] or known
    return [part for of_one in _by_environment(counted).values() for part in _current(of_one)]


def _by_environment(parts: Sequence[ModelPart]) -> dict[str, list[ModelPart]]:
    found: dict[str, list[ModelPart]] = defaultdict(list)
    for part in parts:
        found[part.key.environment].append(part)
    return found


def _current(parts: Sequence[ModelPart]) -> list[ModelPart]:
    """Return the versions of one environment that are still in use."""
    newest = max((part.start for part in parts if part.start is not None), default=None)
    latest = [part for part in parts if newest is None or part.end is None or part.end > newest]
    return [part for part in latest if part.verdict.state != "no_data"] or latest


def order_of_need(part: ModelPart) -> tuple[int, int, str, str]:
    """Return a sort key for parts; the first part determines the verdict of the model."""
    state = part.verdict.state
    rank = rank_state("unknown") if state in _KNOWN else rank_state(state)
    return rank, -part.rows, part.key.environment, part.key.version


def _with_name(part: ModelPart, parts: Sequence[ModelPart]) -> Verdict:
    """Return the verdict of a part, with its version and its environment if there are several."""
    several_versions = len({part.key.version for part in parts}) > 1
    several_environments = len({part.key.environment for part in parts}) > 1
    return replace(
        part.verdict,
        version=part.key.version if several_versions else None,
        environment=part.key.environment if several_environments else None,
    )
