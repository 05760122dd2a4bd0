"""The unit for systemd: what it may do, and the folders and credentials that its page names."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import ROOT

UNIT = ROOT / "otel-config/systemd/driftline.service"
ANALYZE = shutil.which("systemd-analyze")
MOST_EXPOSURE = 1.5
"""Of systemd's own scale from 0 (confined) to 10."""


def keys() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


def test_the_unit_is_hardened() -> None:
    unit = keys()
    for key in ("NoNewPrivileges", "DynamicUser", "ProtectHome", "PrivateDevices", "PrivateTmp", "LockPersonality"):
        assert unit[key] == ["yes"], key
    assert unit["ProtectSystem"] == ["strict"]
    assert unit["CapabilityBoundingSet"] == [""]
    assert unit["StateDirectory"] == ["driftline"]
    assert [one.partition(":")[0] for one in unit["LoadCredential"]] == ["tls.crt", "tls.key", "tokens"]


def test_the_page_names_the_credentials_as_the_unit_loads_them() -> None:
    page = (ROOT / "docs/deploy/systemd.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\$\{env:CREDENTIALS_DIRECTORY\}/([\w.]+)", page))
    loaded = {one.partition(":")[0] for one in keys()["LoadCredential"]}
    added = set(re.findall(r"`LoadCredential=([\w.]+):", page))  # which the page adds for some
    assert {name.partition("_")[0] for name in named} == loaded | added


@pytest.mark.skipif(ANALYZE is None, reason="systemd is missing")
def test_systemd_accepts_the_unit_and_finds_it_confined(tmp_path: Path) -> None:
    here = tmp_path / UNIT.name
    here.write_text(
        UNIT.read_text(encoding="utf-8").replace("/opt/driftline/bin/driftline", "/bin/true"), encoding="utf-8"
    )
    checked = subprocess.run([str(ANALYZE), "verify", str(here)], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    security = subprocess.run(
        [str(ANALYZE), "security", "--offline=true", "--no-pager", str(here)],
        capture_output=True,
        text=True,
        check=False,
    )
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", security.stdout)
    assert exposure is not None
    assert float(exposure[1]) <= MOST_EXPOSURE
