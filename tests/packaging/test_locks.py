"""The locks pin what pyproject.toml declares, with hashes."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCKS = sorted((ROOT / "locks").glob("*.txt"))


def pins(name: str) -> dict[str, set[str]]:
    """Return the versions of each package of a lock; one package may have one for each platform."""
    found: dict[str, set[str]] = {}
    text = (ROOT / "locks" / name).read_text(encoding="utf-8")
    for package, version in re.findall(r"^([A-Za-z0-9._-]+)==([^ \\;]+)", text, re.MULTILINE):
        found.setdefault(canonicalize_name(package), set()).add(version)
    return found


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_package_has_a_version_and_a_hash(path: str) -> None:
    text = re.sub(r" \\\n", " ", (ROOT / "locks" / path).read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert lines
    assert [line[:60] for line in lines if not re.search(r"==\S+ .*--hash=sha256:[0-9a-f]{64}", line)] == []
    assert "://" not in text  # no index of its own


def test_the_image_installs_what_is_declared() -> None:
    declared = [*PROJECT["dependencies"]]
    for extra in ("processor", "kafka", "sql"):
        declared += PROJECT["optional-dependencies"][extra]
    locked = pins("processor.txt")
    missing = []
    for text in declared:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if name != "driftline" and not all(requirement.specifier.contains(v) for v in locked.get(name, {"0"})):
            missing.append(text)
    assert missing == [], "run make lock"


def test_the_wheel_is_built_by_a_locked_backend() -> None:
    assert "hatchling" in pins("build.txt")
    assert "hatchling" in pins("release.txt")
