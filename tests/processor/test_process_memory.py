"""The memory of ``driftline up``: what pyarrow would load is not loaded, and whoever wants it still has it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from driftline_processor.process_memory import resident

from tests.support.processes import HEADERS, addresses, has_rows, prediction, process

pytest.importorskip("pandas")


def said_by(*statements: str) -> str:
    """Return what a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(statements)], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout


TABLE = "import sys, pyarrow as pa; table = pa.table({'rows': [1, 2]}); print('pandas' in sys.modules)"
LEAN = "from driftline_processor.process_memory import keep_memory_small; keep_memory_small()"


def test_tables_do_not_load_pandas() -> None:
    assert said_by(TABLE) == "True\n", "pyarrow does not load pandas any more: what keeps it out can go"
    assert said_by(LEAN, TABLE) == "False\n"


def test_pandas_can_still_be_had() -> None:
    there = said_by(
        LEAN, TABLE, "import pandas as pd; print(pa.table(pd.DataFrame({'a': [7]})).to_pandas()['a'].sum())"
    )

    assert there == "False\n7\n"


def test_what_a_host_has_loaded_is_left_alone() -> None:
    assert said_by("import pandas", LEAN, TABLE) == "True\n"


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux tells what a process has loaded")
def test_a_processor_with_rows_has_not_loaded_pandas(tmp_path: Path) -> None:
    with process(tmp_path) as child:
        otlp, pages = addresses(child)
        answer = httpx.post(f"{otlp}/v1/logs", content=prediction("churn", "a"), headers=HEADERS, trust_env=False)
        assert answer.status_code == 200
        assert has_rows(pages, 1)
        loaded = Path(f"/proc/{child.pid}/maps").read_text()

    assert "pyarrow" in loaded
    assert "pandas" not in loaded


def test_the_memory_of_this_process_is_measured() -> None:
    before = resident()
    block = bytearray(64 << 20)
    assert resident() - before > 60 << 20
    del block
