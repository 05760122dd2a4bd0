"""The record of one training run in the buffer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from driftline.semconv import events

from .model_identity import Identity


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """A completed training run.

    Attributes:
        event: Name of its log record.
        size: Approximate size in the buffer in bytes.
        recorded: Time at which it ended, unix nanoseconds.
        values: Attributes of its log record.
    """

    event: ClassVar[str] = events.DRIFTLINE_TRAINING_RUN
    size: ClassVar[int] = 4096

    identity: Identity
    recorded: int
    values: Mapping[str, Any] = field(hash=False)

    def attributes(self) -> Mapping[str, Any]:
        """Return the attributes of the log record."""
        return self.values
