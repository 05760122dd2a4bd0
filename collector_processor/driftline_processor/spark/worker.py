"""Spare the Python processes of Spark work that Spark repeats for each task."""

from __future__ import annotations

import gc
import sys
from zipimport import zipimporter


def prepare_next_tasks() -> None:
    """Make the next tasks of this process start sooner; each took 0.2 to 0.3 s of CPU time before its first row.

    Before each task, Spark makes all finders of imports read their folders again, and its own modules lie in archives
    of thousands of files. A finder that is not in the cache is made again when something is imported. After each task,
    Spark collects garbage; what is frozen, here all modules, is not visited.
    """
    for path, finder in [*sys.path_importer_cache.items()]:
        if isinstance(finder, zipimporter):
            del sys.path_importer_cache[path]
    if not gc.get_freeze_count():
        gc.collect()
        gc.freeze()
