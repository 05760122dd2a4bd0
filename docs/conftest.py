"""Every block of a page is checked: see tests/support/doc_blocks.py."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack, chdir
from pathlib import Path
from typing import Any
from unittest import mock

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

from tests.support.doc_blocks import parse_blocks
from tests.support.paths import ROOT


def _setup(namespace: dict[str, Any]) -> None:
    """Run the blocks of a page in a folder of their own, which has the examples; record nothing: nothing listens."""
    namespace["_page"] = page = ExitStack()
    folder = Path(page.enter_context(tempfile.TemporaryDirectory()))
    (folder / "examples").symlink_to(ROOT / "examples")
    page.enter_context(chdir(folder))
    page.enter_context(mock.patch.dict(os.environ, OTEL_SDK_DISABLED="true"))


def _teardown(namespace: dict[str, Any]) -> None:
    namespace["_page"].close()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser(), parse_blocks],
    patterns=["*.md"],
    excludes=["reference/api.md", "start/scenarios.md"],  # docstrings run where they are; so do the scenarios
    setup=_setup,
    teardown=_teardown,
).pytest()
