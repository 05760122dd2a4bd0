"""Export windows in formats of other systems: entry points of the group ``driftline_formats``.

A format is a function of evaluations, the time (unix nanoseconds) and the names of the files (none for a running
model). It returns a JSON object per window.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from driftline_processor.config.kinds import installed
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.nearest_names import near
from driftline_processor.readers.errors import BadInput

GROUP = "driftline_formats"


def windows_in(name: str, evaluations: Sequence[Evaluation], now: int, files: Sequence[Path] = ()) -> list[Any]:
    """Return windows in a format.

    Raises:
        ValueError: There is no such format.
    """
    entry = installed(GROUP).get(name)
    if entry is None:
        raise ValueError(f"there is no format '{name:.40}'; {near(name, sorted(installed(GROUP)))}")
    return cast(list[Any], entry.load()(evaluations, now, files))


def write_windows(written: str, evaluations: Sequence[Evaluation], now: int, files: Sequence[Path]) -> None:
    """Write windows as ``FORMAT=FILE`` requests, one line of JSON per window.

    Raises:
        BadInput: There is no such format, or the file cannot be written.
    """
    name, mark, place = written.partition("=")
    if not mark or not place:
        raise BadInput(f"--write {written}: use a format and a file, such as openlineage=events.ndjson")
    try:
        windows = windows_in(name, evaluations, now, files)
    except ValueError as error:
        raise BadInput(f"--write {written}: {error}") from error
    try:
        Path(place).write_text(
            "".join(f"{json.dumps(window, ensure_ascii=False)}\n" for window in windows), encoding="utf-8"
        )
    except OSError as error:
        raise BadInput(f"--write {written}: {place} cannot be written: {error.strerror}") from error
