"""The Dockerfile: an image without root, from pinned parts, with nothing of the repository that it does not need."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from driftline_processor.config.schema import load

from tests.support.paths import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
HADOLINT = shutil.which("hadolint", path=str(Path(sys.executable).parent))


def instructions(name: str) -> list[str]:
    """Return the arguments of each instruction of a kind, continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", DOCKERFILE)
    return [line.partition(" ")[2].strip() for line in text.splitlines() if line.startswith(f"{name} ")]


def test_it_ends_as_a_numeric_user_that_is_not_root() -> None:
    assert instructions("USER") == ["65532:65532"]  # a cluster with runAsNonRoot cannot check a name
    assert DOCKERFILE.rindex("\nUSER ") > DOCKERFILE.rindex("\nRUN ")
    assert DOCKERFILE.rindex("\nUSER ") > DOCKERFILE.rindex("\nCOPY ")


def test_both_stages_use_one_base_of_a_fixed_version_which_a_digest_can_replace() -> None:
    (base,) = instructions("ARG")
    assert re.fullmatch(r"PYTHON_IMAGE=python:3\.\d+-slim-[a-z]+", base)
    assert [line.split()[0] for line in instructions("FROM")] == ["${PYTHON_IMAGE}"] * 2


def test_every_package_from_an_index_has_a_hash() -> None:
    assert instructions("ADD") == []
    assert not re.search(r"\bcurl\b|\bwget\b|apt-get|https?://(?!127\.0\.0\.1)", "\n".join(instructions("RUN")))
    for command in re.findall(r"pip [^&]*install [^&]*", DOCKERFILE):
        assert "--require-hashes" in command or "--no-deps /dist/" in command, command


def test_it_has_a_health_check_a_volume_and_the_ports_of_the_processor() -> None:
    (check,) = instructions("HEALTHCHECK")
    ports = [address.port for _, address in load().listeners]
    assert f"127.0.0.1:{ports[-1]}/healthz" in check
    assert instructions("EXPOSE") == [" ".join(map(str, ports))]
    assert instructions("VOLUME") == ["/var/lib/driftline"]
    assert 'CMD ["up", "--config", "/etc/driftline/driftline.yaml"]' in DOCKERFILE


def test_the_builder_receives_only_what_is_copied() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        source.partition("/")[0]
        for line in instructions("COPY")
        if "--from" not in line
        for source in line.split()[:-1]
    }
    assert "*" in lines
    assert copied == allowed
    assert all((ROOT / name).exists() for name in allowed)


@pytest.mark.slow
def test_the_smoke_test_reads_parquet_and_writes_a_report(tmp_path: Path) -> None:
    (smoke,) = (line for line in instructions("RUN") if "driftline up" in line)
    commands, _, start = smoke.partition(" && { driftline up")
    assert start
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["sh", "-ec", commands], cwd=tmp_path, env={**os.environ, "PATH": path}, check=True)
    assert "from 2,000 outcomes" in (tmp_path / "verdict.txt").read_text(encoding="utf-8")
    assert "<html" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.skipif(HADOLINT is None, reason="hadolint has no wheel for this machine")
def test_hadolint_has_nothing_to_say() -> None:
    done = subprocess.run([str(HADOLINT), str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
