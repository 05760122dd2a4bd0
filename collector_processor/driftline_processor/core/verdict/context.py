"""What a verdict knows beside the evaluations of windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.core.versions.side_by_side import SideBySide


@dataclass(frozen=True, slots=True)
class VerdictContext:
    """What is known of a model beside its windows.

    Attributes:
        concept: Whether errors rose along the stream of outcomes; None where nobody looked.
        versions: Challengers beside the champion.
        timezone: The clock by which sentences write dates, an IANA name.
    """

    concept: ConceptDrift | None = None
    versions: Sequence[SideBySide] = ()
    timezone: str = "UTC"


NO_CONTEXT = VerdictContext()
"""Nothing is known beside the windows."""
