"""What was asked of an evaluation beside its rows and their columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from driftline_processor.core.expectations.rule import Expectations

from .exact import rows_of


@dataclass(frozen=True, slots=True)
class Asked:
    """``method``, ``methods``: the drift methods that decide, and that are shown beside, see :mod:`.methods`.

    ``concept``: the detectors of concept drift, see :func:`.concept.detectors_of`. ``exact``: values of drift methods
    from the rows. ``classifier``: the domain classifier, too. ``expect``: what is expected of each model's data.
    """

    method: Sequence[str] = ()
    methods: Sequence[str] = ()
    concept: str = ""
    exact: bool = False
    classifier: bool = False
    expect: Mapping[str, Expectations] = field(default_factory=dict)

    def check(self, reference: Path) -> None:
        """Raise :class:`BadInput` when the reference holds no rows and something wants them."""
        if self.exact:
            rows_of(reference, "--exact")
        if self.classifier:
            rows_of(reference, "--classifier")


NOTHING_MORE = Asked()
