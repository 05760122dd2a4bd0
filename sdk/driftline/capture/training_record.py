"""The record of one training run, as it waits in the buffer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from driftline.semconv import events

from .model_identity import Identity


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """A training run that is over.

    Attributes:
        event: The name of its log record.
        size: Bytes that it takes in the buffer, about.
        recorded: Unix nanoseconds at which it ended.
        values: The attributes of its record.
    """

    event: ClassVar[str] = events.DRIFTLINE_TRAINING_RUN
    size: ClassVar[int] = 4096

    identity: Identity
    recorded: int
    values: Mapping[str, Any] = field(hash=False)

    def attributes(self) -> Mapping[str, Any]:
        """Return the attributes of its log record."""
        return self.values
