"""Evaluations of files as OpenLineage run events: NDJSON, as OpenLineage's own file transport writes it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.render.openlineage import Dataset, run_event
from driftline_processor.readers.errors import BadInput


def write_events(
    file: Path, evaluations: Sequence[Evaluation], data: Sequence[Path], clock: Callable[[], int] = time.time_ns
) -> None:
    """Write an event for each window; the files that were read are its input datasets.

    Raises :class:`BadInput` when the file cannot be written.
    """
    now = clock()
    datasets = [Dataset("file", str(path.resolve())) for path in data]
    lines = [json.dumps(run_event(evaluation, now, datasets), ensure_ascii=False) for evaluation in evaluations]
    try:
        file.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise BadInput(f"--openlineage {file}: it cannot be written: {error.strerror}") from error
