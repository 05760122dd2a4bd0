"""What pages use of others: unchanged, with its licence, and in the wheel."""

from __future__ import annotations

import hashlib
import re
import subprocess
import tomllib
from pathlib import Path

from driftline_processor.web import app

from tests.support.paths import ROOT

WEB = Path(app.__file__).parent
VENDOR = WEB / "static" / "vendor"
ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \| `([0-9a-f]{64})` \|$", re.MULTILINE)
LICENCES = {"0BSD": "Zero-Clause BSD", "MIT": "The MIT License"}


def listed() -> dict[str, tuple[str, str]]:
    """Return file → its licence and SHA-256, as README.md lists them."""
    text = (VENDOR / "README.md").read_text(encoding="utf-8")
    return {name: (licence.strip(), digest) for name, _, _, licence, digest in ROW.findall(text)}


def test_every_file_is_listed_and_is_what_its_package_has() -> None:
    files = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in VENDOR.glob("*.*s")}
    assert files == {name: digest for name, (_, digest) in listed().items()}
    assert len(files) == 3


def test_every_file_comes_with_the_text_of_its_licence() -> None:
    for name, (licence, _) in listed().items():
        text = (VENDOR / f"{name.partition('.')[0]}.LICENSE.txt").read_text(encoding="utf-8")
        assert LICENCES[licence] in text


def test_no_page_loads_anything_from_elsewhere() -> None:
    web = Path(app.__file__).parent
    for file in [
        *(web / "templates").rglob("*.html"),
        web / "static" / "driftline.js",
        web / "static" / "driftline.css",
    ]:
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"""(src|href)=["']?(https?:)?//|url\(["']?(https?:)?//|fetch\(["']http""", text), file


def test_the_wheel_has_all_files_of_the_pages() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    assert "collector_processor/driftline_processor" in build["targets"]["wheel"]["only-include"]
    assert build["targets"]["wheel"]["exclude"] == ["examples/**/*.png"]
    parts = [str(file) for folder in ("templates", "static") for file in (WEB / folder).rglob("*") if file.is_file()]
    assert len(parts) > 30
    ignored = subprocess.run(["git", "check-ignore", "--", *parts], cwd=ROOT, capture_output=True, text=True)
    assert ignored.stdout == ""  # hatchling leaves out what git ignores
