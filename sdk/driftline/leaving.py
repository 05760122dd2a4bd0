"""Which features leave a process under its privacy rules, for what is known of them beside their values."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Leaving:
    """``kept``: the features that leave at all; ``plain``: those whose values leave as they are.

    Of a feature that is hashed or rounded nothing may leave that tells a value.
    """

    kept: Collection[str]
    plain: Collection[str]
