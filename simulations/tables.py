"""Every table that is simulated, in the order in which they are run."""

from __future__ import annotations

from .concept import CONCEPT
from .coverage import COVERAGE
from .estimated import ESTIMATES
from .fast import FAST
from .frame import Table
from .labels import LABELS
from .methods import METHODS
from .multivariate import MULTIVARIATE
from .objectives import OBJECTIVES
from .quality import QUALITY
from .sliced import SLICES
from .sliced_days import SLICED_DAYS
from .table import DRIFT
from .versions import VERSIONS
from .weak import WEAK

TABLES: tuple[Table, ...] = (
    *(DRIFT, SLICES, METHODS, MULTIVARIATE, QUALITY, CONCEPT, VERSIONS),
    *(COVERAGE, OBJECTIVES, SLICED_DAYS, WEAK, LABELS, ESTIMATES, FAST),
)
