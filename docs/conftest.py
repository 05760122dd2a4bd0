"""Every block of a page is checked: see tests/support/doc_blocks.py."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

from tests.support.doc_blocks import parse_blocks
from tests.support.paths import ROOT


def _setup(namespace: dict[str, Any]) -> None:
    namespace["_before"] = os.getcwd()
    namespace["_folder"] = folder = tempfile.TemporaryDirectory()
    (Path(folder.name) / "examples").symlink_to(ROOT / "examples")
    os.chdir(folder.name)
    namespace["_disabled"] = os.environ.get("OTEL_SDK_DISABLED")
    os.environ["OTEL_SDK_DISABLED"] = "true"  # no block records: nothing listens


def _teardown(namespace: dict[str, Any]) -> None:
    if namespace["_disabled"] is None:
        del os.environ["OTEL_SDK_DISABLED"]
    else:
        os.environ["OTEL_SDK_DISABLED"] = namespace["_disabled"]
    os.chdir(namespace["_before"])
    namespace["_folder"].cleanup()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser(), parse_blocks],
    patterns=["*.md"],
    excludes=["reference/api.md", "start/scenarios.md"],  # docstrings run where they are; so do the scenarios
    setup=_setup,
    teardown=_teardown,
).pytest()
