"""The memory of the process is shared out, and measured where estimates may be wrong; pyarrow stays out."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest
from driftline_processor import memory_ceiling
from driftline_processor.memory_ceiling import DEFAULT_MEMORY, LEAST_MEMORY, MemoryCeiling, NeedsMoreMemory
from driftline_processor.process_memory import resident
from driftline_processor.receipts import Overloaded

from tests.support.facts import lacking
from tests.support.processes import HEADERS, addresses, has_rows, prediction, process

MIB = 1 << 20


def quiet(limit: int = DEFAULT_MEMORY) -> MemoryCeiling:
    return MemoryCeiling(limit, measured=lambda: 0)


@pytest.mark.parametrize("limit", [LEAST_MEMORY, DEFAULT_MEMORY, 16 << 30])
def test_shares_and_the_process_itself_are_less_than_the_whole(limit: int) -> None:
    ceiling = quiet(limit)
    assert memory_ceiling.PROCESS + ceiling.requests + ceiling.database + ceiling.work < limit


def test_work_waits_for_other_work_and_goes_on_after_it() -> None:
    ceiling = quiet()
    half = ceiling.work // 2 + 1
    with ceiling.working(half):
        with pytest.raises(Overloaded), ceiling.working(half, patience=0.01):
            raise AssertionError
        with ceiling.working(ceiling.work - half):  # both fit
            pass
        done = threading.Event()

        def work() -> None:
            with ceiling.working(half, patience=60):
                done.set()

        other = threading.Thread(target=work)
        other.start()
        assert not done.is_set()
    other.join(60)
    assert done.is_set()


def test_work_that_waits_for_memory_goes_on_when_there_is_some_though_nobody_has_finished() -> None:
    taken = [DEFAULT_MEMORY]
    ceiling = MemoryCeiling(DEFAULT_MEMORY, lambda: taken[0])
    done = threading.Event()

    def work() -> None:
        with ceiling.working(100 * MIB, patience=60):
            done.set()

    with ceiling.working(100 * MIB):
        other = threading.Thread(target=work)
        other.start()
        assert not done.wait(0.3)
        taken[0] = 0  # such as a cache that was emptied
        assert done.wait(50)
    other.join(60)


def test_work_alone_waits_for_memory_that_is_freed_soon_and_begins_without_it_in_the_end() -> None:
    taken, now, begun = [DEFAULT_MEMORY], [0.0], threading.Event()
    ceiling = MemoryCeiling(DEFAULT_MEMORY, lambda: taken[0], lambda: now[0])

    def work() -> None:
        with ceiling.working(100 * MIB, patience=60):
            begun.set()

    for freed, later in ((0, 1.0), (DEFAULT_MEMORY, 2 * memory_ceiling.ALONE)):
        taken[0] = DEFAULT_MEMORY
        now[0] += memory_ceiling.ALONE  # the last measurement is old
        alone = threading.Thread(target=work)
        alone.start()
        assert not begun.wait(0.3)
        taken[0] = freed
        now[0] += later
        assert begun.wait(50)
        alone.join(60)
        begun.clear()


def test_work_that_never_fits_is_refused_for_good_and_small_work_never_waits() -> None:
    ceiling = quiet()
    said = r"leaves 768 MiB for it; split it into smaller requests"
    with pytest.raises(NeedsMoreMemory, match=said), ceiling.working(ceiling.work + 1):
        raise AssertionError
    with ceiling.working(ceiling.work), ceiling.working(MIB, patience=0.0):
        pass


def test_where_memory_is_short_nothing_begins_beside_other_work() -> None:
    taken, now = [DEFAULT_MEMORY], [0.0]

    def clock() -> float:
        now[0] += 1.0
        return now[0]

    ceiling = MemoryCeiling(DEFAULT_MEMORY, lambda: taken[0], clock)
    sentence = ceiling.sentence()
    assert sentence is not None
    assert lacking(sentence, "85%", "limits.memory", "2048", "MiB") == []
    with ceiling.working(100 * MIB):  # the only one: it would never begin otherwise
        with pytest.raises(Overloaded), ceiling.working(100 * MIB, patience=0.0):
            raise AssertionError
        taken[0] = DEFAULT_MEMORY // 2
        with ceiling.working(100 * MIB, patience=0.0):
            pass
    assert ceiling.sentence() is None


pytest.importorskip("pandas")


def said_by(*statements: str) -> str:
    """Return what a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(statements)], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout


TABLE = "import sys, pyarrow as pa; table = pa.table({'rows': [1, 2]}); print('pandas' in sys.modules)"
LEAN = "from driftline_processor.process_memory import keep_memory_small; keep_memory_small()"


@pytest.mark.slow
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


@pytest.mark.slow
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
