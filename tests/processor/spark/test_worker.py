"""Tasks of Spark in one process: what the first one prepares for the next."""

from __future__ import annotations

import gc
import importlib
import sys
import zipfile
from pathlib import Path

import pytest
from driftline_processor.spark.worker import prepare_next_tasks


def test_archives_are_not_read_again_and_can_still_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "modules.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("first_of_archive.py", "")
        made.writestr("second_of_archive.py", "")
    monkeypatch.syspath_prepend(archive)
    importlib.import_module("first_of_archive")
    assert str(archive) in sys.path_importer_cache

    try:
        prepare_next_tasks()

        assert str(archive) not in sys.path_importer_cache
        importlib.import_module("second_of_archive")
    finally:
        gc.unfreeze()


def test_modules_are_frozen_once() -> None:
    try:
        prepare_next_tasks()
        frozen = gc.get_freeze_count()
        assert frozen > 1000
        new_objects: list[list[int]] = [[] for _ in range(1000)]
        prepare_next_tasks()
        assert frozen - 1000 < gc.get_freeze_count() <= frozen  # some of the frozen objects may end
        assert len(new_objects) == 1000
    finally:
        gc.unfreeze()
