"""A start removes the folders of processes that have ended, and never that of one that lives."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from driftline_processor import process_folder
from driftline_processor.store import memory_folder
from driftline_processor.store.database import StorageError
from driftline_processor.store.memory_folder import MemoryFolder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no file system in memory")


def test_a_process_that_starts_meanwhile_leaves_a_new_folder_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others: list[MemoryFolder] = []
    try_lock = process_folder._try_lock

    def lock_after_another(file: int) -> bool:
        monkeypatch.setattr(process_folder, "_try_lock", try_lock)
        others.append(MemoryFolder())
        return try_lock(file)

    monkeypatch.setattr(memory_folder, "BASE", tmp_path)
    monkeypatch.setattr(process_folder, "_try_lock", lock_after_another)
    folder = MemoryFolder()
    assert sorted(tmp_path.iterdir()) == sorted([folder.path, others[0].path])
    MemoryFolder().close()
    assert folder.path.exists()
    folder.close()
    others[0].close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_locked_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_folder, "BASE", tmp_path)
    monkeypatch.setattr(process_folder, "_try_lock", lambda _: False)
    with pytest.raises(StorageError, match="storage:"):
        MemoryFolder()
    assert list(tmp_path.iterdir()) == []
