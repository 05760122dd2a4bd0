"""What may leave the process, decided per feature, once, for every signal."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Privacy:
    """Rules by feature name. ``deny``: features that are recorded nowhere.

    >>> Privacy(deny=("ssn",)).allows("ssn")
    False
    """

    deny: tuple[str, ...] = ()

    def allows(self, name: str) -> bool:
        """Say whether a feature of that name may be recorded."""
        return name not in self.deny
