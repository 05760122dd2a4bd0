"""Every ``DRIFTLINE_*`` environment variable of the SDK, once. What code says wins over it; it wins over the default.

docs/settings.md shows this table; a test compares the two, and finds every variable that is read anywhere else.
"""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setting:
    """One variable. ``argument``: the code that wins over it; ``default``: what holds where neither is given."""

    variable: str
    argument: str
    default: str
    meaning: str


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "DRIFTLINE_ENDPOINT",
        "configure(endpoint=)",
        "",
        "Where records, outcomes and baselines go: `driftline up`. HTTP, unless its port is 4317. "
        "Spans and metrics stay where they were.",
    ),
    Setting(
        "DRIFTLINE_MODEL_NAME",
        "Model(name)",
        "",
        "The model's name where no code says it: of estimators and networks that `opentelemetry-instrument` records. "
        "The name of their class unless said.",
    ),
    Setting(
        "DRIFTLINE_MODEL_VERSION", "Model(version=)", "", "The version of the model that DRIFTLINE_MODEL_NAME names."
    ),
)

_BY_NAME = {setting.variable: setting for setting in SETTINGS}


def read(variable: str) -> str:
    """Return what the environment says of a setting, else its default. Raises ``KeyError`` for one not listed here.

    >>> read("DRIFTLINE_ENDPOINT")
    ''
    """
    return os.environ.get(variable, "").strip() or _BY_NAME[variable].default
