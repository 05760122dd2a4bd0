"""A shadow keeps a model of a configuration, and nothing that listens, leaves or stays."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest
from driftline_processor.config.schema import Config
from driftline_processor.core.windows.window import DAY
from driftline_processor.policy.message import Message
from driftline_processor.replay.shadow import PREFIX, RETENTION, RecordingCouriers, shadow_config, shadow_folder

CONFIG = Config.model_validate(
    {
        "notify": ["json://127.0.0.1:9/"],
        "models": {"churn": {"windows": ["1d"]}, "fraud": {"windows": ["1h"]}},
        "actions": {"http/hook": {"url": "https://127.0.0.1:9/hook", "body": {"alert": "{alert}"}}},
    }
)


def test_a_shadow_has_one_model_on_a_disk_of_its_own_and_the_real_policies() -> None:
    shadow = shadow_config(CONFIG, "churn")
    assert [*shadow.models] == ["churn"]
    assert shadow.exporters == {}
    assert (shadow.storage.in_memory, shadow.storage.retention) == (False, RETENTION)
    assert shadow.policies == CONFIG.policies
    assert [*CONFIG.models] == ["churn", "fraud"], "the real one stays"


def test_a_model_that_the_configuration_does_not_name_has_the_keys_of_all() -> None:
    assert [*shadow_config(CONFIG, "new").models] == ["new"]


def test_couriers_of_a_shadow_note_messages_with_their_time_and_carry_none() -> None:
    couriers = RecordingCouriers({}, lambda: 3 * DAY)
    message = Message("a-json", "a", "json", "opened", 2 * DAY, {})
    couriers.post([message])
    (delivery,) = couriers.deliveries()
    assert (delivery.message, delivery.result, delivery.time) == ("a-json", "delivered", 3 * DAY)
    assert couriers.deliveries() == [], "each is returned once"


def test_the_folder_of_shadows_is_gone_at_the_end() -> None:
    with shadow_folder() as folder:
        assert folder.is_dir()
    assert not folder.exists()


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.skipif(sys.platform == "win32", reason="its folders cannot be locked")
def test_what_a_drill_that_was_killed_has_left_is_removed_and_nothing_else(base: Path) -> None:
    killed, other, strange = base / f"{PREFIX}killed", base / "other", base / f"{PREFIX}link"
    for folder in (killed, other):
        (folder / "quiet").mkdir(parents=True)
        (folder / "quiet" / "driftline.db").write_bytes(b"rows")
        (folder / "lock").touch()
    strange.symlink_to(other)
    with shadow_folder() as first, shadow_folder() as second:
        assert sorted(base.iterdir()) == sorted([first, second, other, strange])
    assert sorted(base.iterdir()) == sorted([other, strange])
    assert (other / "quiet" / "driftline.db").read_bytes() == b"rows"


def test_a_drill_that_is_interrupted_leaves_no_folder(base: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        _interrupted()
    assert list(base.iterdir()) == []


def _interrupted() -> None:
    with shadow_folder() as folder:
        (folder / "quiet").mkdir()
        raise KeyboardInterrupt
