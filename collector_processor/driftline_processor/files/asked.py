"""What was asked of an evaluation beside its rows and their columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from driftline_processor.core.compared.rolling import Rolling
from driftline_processor.core.expectations.rule import Expectations
from driftline_processor.core.performance import asked as of_performance
from driftline_processor.core.performance.objective import Objective
from driftline_processor.core.performance.wrong import MOST
from driftline_processor.core.versions import Named

from .errors import BadInput
from .exact import rows_of


@dataclass(frozen=True, slots=True)
class Asked:
    """``method``, ``methods``: the drift methods that decide, and that are shown beside, see :mod:`.methods`.

    ``concept``: the detectors of concept drift, see :func:`.concept.detectors_of`. ``exact``: values of drift methods
    from the rows. ``classifier``: the domain classifier, too. ``expect``: what is expected of each model's data.
    ``past``: windows are compared with the rows before them, :mod:`.past`. ``performance``: what each model's owner
    asks of its performance; ``metrics``: names of those that are wanted, too; ``objectives``: what it shall be.
    ``versions``: which of each model's are compared with which.
    ``weighted``: estimates by importance weights, too. ``mispredictions``: how many of the worst rows of each window.
    """

    method: Sequence[str] = ()
    methods: Sequence[str] = ()
    concept: str = ""
    exact: bool = False
    classifier: bool = False
    expect: Mapping[str, Expectations] = field(default_factory=dict)
    past: Rolling | None = None
    performance: Mapping[str, of_performance.Asked] = field(default_factory=dict)
    metrics: Sequence[str] = ()
    objectives: Sequence[Objective] = ()
    versions: Mapping[str, Named] = field(default_factory=dict)
    weighted: bool = False
    mispredictions: int = 0

    def check(self, reference: Path | None) -> None:
        """Raise :class:`BadInput` when something is asked for that cannot be had together.

        ``reference``: what is compared with, None where nobody named it.
        """
        if not 0 <= self.mispredictions <= MOST:
            raise BadInput(f"--mispredictions is {self.mispredictions}; it is a number from 1 to {MOST:,}")
        rows_wanted = [name for name in ("exact", "classifier", "weighted") if getattr(self, name)]
        if self.past is not None and rows_wanted:
            option = _OPTIONS.get(rows_wanted[0], rows_wanted[0])
            raise BadInput(f"--{option} and --reference-last: of rows before a window only counts are kept; choose one")
        if reference is None:
            if self.past is None:
                raise BadInput(
                    "--baseline is missing: name a built one (.json), or rows to compare with; "
                    "or --reference-last 30d, to compare each day with those before it"
                )
            return
        if self.exact:
            rows_of(reference, "--exact")
        if self.classifier:
            rows_of(reference, "--classifier")
        if self.weighted:
            rows_of(reference, "--importance-weighted")


_OPTIONS = {"weighted": "importance-weighted"}

NOTHING_MORE = Asked()
