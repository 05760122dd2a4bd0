"""Windows are judged in other processes as in the processor itself, and no window is lost with a process."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from driftline.semconv import metrics as m
from driftline.tables.table import ModelKey
from driftline.tables.task import Task
from driftline_processor.config.model import Model
from driftline_processor.config.schema import Limits
from driftline_processor.core.labels.delay import OutcomeDelay
from driftline_processor.core.model_settings import ModelSettings
from driftline_processor.core.windows.window import Window
from driftline_processor.evaluation.evaluation_codec import encode_evaluation
from driftline_processor.evaluation.processes import pool
from driftline_processor.evaluation.processes.channel import Channel
from driftline_processor.evaluation.processes.messages import Work
from driftline_processor.evaluation.processes.pool import JudgingProcesses
from driftline_processor.evaluation.processes.worker import JudgingProcess
from driftline_processor.evaluation.store_judge import JudgingOrder, StoreJudge
from driftline_processor.health import Counters
from driftline_processor.maintenance.erasure import ErasureOrder
from driftline_processor.receipts import StorageOutage
from driftline_processor.state import State
from driftline_processor.store.pane_memory import MOST_BYTES
from driftline_processor.store.series import Series

from tests.support.judging_processes import ready, start_judging
from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, MINUTE, NOON, Clock, Opened, config, outcomes, predictions
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

SERIES = Series(1, ModelKey("churn", "1", ""), Task())
WINDOW = Window("1h", NOON - HOUR, NOON)
MODEL = Model(windows=("1h", "1d"), slices=("country",))
HOURS = 30


@pytest.fixture(autouse=True)
def _many_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each process several orders."""
    monkeypatch.setattr(pool, "MOST_WINDOWS", 4)


def send_rows(state: Opened, first: int = 0, shift: float = 0.0) -> None:
    """Send a row a minute with two features, a slice and outcomes, which drift after a day."""
    rng = np.random.default_rng(first)
    n = HOURS * 60
    at = NOON - (HOURS + 3) * HOUR + np.arange(n) * MINUTE
    age = rng.normal(40 + shift, 5, n) + 10 * (np.arange(n) > n - 400)
    ids = [f"{first}-{row}" for row in range(n)]
    town = [("Rome", "Oslo", None)[row % 3] for row in range(n)]
    score = np.clip(age / 100, 0, 1)
    country = ["it" if row % 4 else "no" for row in range(n)]
    features = {"age": age.tolist(), "town": town}
    state.send(predictions(ids, at.tolist(), score.tolist(), features=features, slices={"country": country}))
    state.send(outcomes(ids, [str(int(rng.random() < one)) for one in score], (at + HOUR).tolist()))


def evaluations(state: Opened) -> dict[tuple[str, int], bytes]:
    """Return all that is stored of the newest evaluation of each window."""
    return {(one.window.name, one.window.start): encode_evaluation(one) for _, one in state.stored()}


def counted(state: Opened, name: str) -> float:
    return sum(value for (metric, _), value in state.state.counters().items() if metric == name)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], bytes]:
    """The evaluations of a processor alone."""
    alone = Opened(State(config(tmp_path_factory.mktemp("alone"), churn=MODEL), clock=Clock()))
    alone.state.start_storing()
    send_rows(alone)
    alone.view()
    found = evaluations(alone)
    assert len(found) >= HOURS
    alone.leave()
    return found


def test_the_answers_are_those_of_the_processor_itself(
    open_state: Open, expected: dict[tuple[str, int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    state = open_state(churn=MODEL, processes=3)
    start_judging(state, monkeypatch)
    monkeypatch.setattr(StoreJudge, "judge", None)  # of this process
    send_rows(state)
    state.view()
    assert evaluations(state) == expected
    assert counted(state, m.DRIFTLINE_EVALUATION_PROCESSES) == 2
    assert counted(state, m.DRIFTLINE_EVALUATION_PROCESS_CPU_TIME) > 0
    assert counted(state, m.DRIFTLINE_EVALUATION_PROCESS_FAILURES) == 0


def test_late_rows_and_outcomes_are_read_again_by_processes(open_state: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for processes in (1, 3):
        state = open_state(churn=MODEL, processes=processes)
        judging = start_judging(state, monkeypatch) if processes > 1 else None
        send_rows(state)
        state.view()
        send_rows(state, first=1, shift=2.0)
        state.view()
        found.append(evaluations(state))
        assert judging is None or judging.running == 2
        state.state.erase(ErasureOrder("churn", "model"))
    assert found[0] == found[1]


def test_a_process_that_is_killed_loses_no_window_and_is_started_anew(
    open_state: Open,
    expected: dict[tuple[str, int], bytes],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    state = open_state(churn=MODEL, processes=2)
    judging = start_judging(state, monkeypatch)
    monkeypatch.setattr(pool, "BACK_OFF", (1e9, 1e9))
    give, given = JudgingProcesses.give, list[object]()

    def give_and_kill(self: JudgingProcesses, *order: object) -> bool:
        given.append(order)
        done = give(self, *order)  # type: ignore[arg-type]
        if len(given) == 2:
            os.kill(self.pids[0], signal.SIGKILL)
        return done

    monkeypatch.setattr(JudgingProcesses, "give", give_and_kill)
    send_rows(state)
    state.view()
    assert evaluations(state) == expected
    assert counted(state, m.DRIFTLINE_EVALUATION_PROCESS_FAILURES) == 1
    assert "a process that judges windows" in caplog.text
    assert judging.running == 0
    monkeypatch.setattr(judging, "_rests_until", 0.0)
    ready(judging)
    assert judging.running == 1


def test_a_process_that_hangs_is_ended_and_its_windows_are_judged(
    open_state: Open, expected: dict[tuple[str, int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    state = open_state(churn=MODEL, processes=2)
    judging = start_judging(state, monkeypatch)
    monkeypatch.setattr(pool, "PATIENCE", 0.0)
    monkeypatch.setattr(pool, "BACK_OFF", (1e9, 1e9))
    judging._pause = 1e9
    [pid] = judging.pids
    os.kill(pid, signal.SIGSTOP)
    send_rows(state)
    state.view()
    assert evaluations(state) == expected
    assert counted(state, m.DRIFTLINE_EVALUATION_PROCESS_FAILURES) == 1
    assert judging.running == 0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


RUBBISH = """
import socket, sys
from driftline_processor.evaluation.processes.channel import Channel
from driftline_processor.evaluation.processes.messages import Done, Ready
channel = Channel(socket.socket(fileno=int(sys.argv[1])))
channel.send(Ready())
channel.receive()
{}
channel.receive()
"""


@pytest.mark.parametrize(
    "rubbish",
    ["channel.send(Done([], 0.0))", "channel.send('rubbish')", "channel._socket.sendall(b'rubbish' * 1000)"],
)
def test_rubbish_is_no_answer(
    open_state: Open, expected: dict[tuple[str, int], bytes], monkeypatch: pytest.MonkeyPatch, rubbish: str
) -> None:
    state = open_state(churn=MODEL, processes=2)
    state.state._judging._command = (sys.executable, "-c", RUBBISH.format(rubbish))
    start_judging(state, monkeypatch)
    send_rows(state)
    state.view()
    assert evaluations(state) == expected
    assert counted(state, m.DRIFTLINE_EVALUATION_PROCESS_FAILURES) == 1


def test_a_process_that_cannot_be_started_is_said_and_tried_again_later(caplog: pytest.LogCaptureFixture) -> None:
    now = [100.0]
    judging = JudgingProcesses(1, Counters(), lambda: now[0], command=("/nowhere/python",))
    judging.note_judged(0, 1, pool.WORTH)
    for seconds, tried in ((0.0, 1), (0.5, 1), (0.6, 2), (1.0, 2), (1.1, 3)):
        now[0] += seconds
        judging.prepare(0)
        assert caplog.text.count("cannot be started") == tried
    assert judging.running == 0


def test_without_a_file_for_its_socket_a_process_is_started_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(socket, "socketpair", fail)
    judging = JudgingProcesses(1, Counters(), lambda: 100.0)
    judging.note_judged(0, 1, pool.WORTH)
    judging.prepare(0)
    assert "cannot be started ([Errno 24] Too many open files)" in caplog.text
    assert judging.running == 0


def test_processes_end_when_there_was_little_to_judge_for_a_while(
    open_state: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    judging = start_judging(open_state(churn=MODEL, processes=2), monkeypatch)
    monkeypatch.setattr(pool, "WORTH", 2.0)
    began, now = judging._clock(), [0.0]
    monkeypatch.setattr(judging, "_clock", lambda: began + now[0])
    judging.prepare(0)
    assert judging.running == 1
    now[0] = pool.IDLE + 60.0
    judging.prepare(0)
    assert judging.running == 0


def test_little_work_starts_none() -> None:
    judging = JudgingProcesses(4, Counters(), lambda: 100.0, command=("/nowhere/python",))
    judging.note_judged(0, 10, 0.1)
    judging.prepare(round(pool.WORTH / 0.01) - 20)
    assert judging._pause == pool.BACK_OFF[0]


def test_an_outage_while_a_process_asks_lets_all_windows_wait(
    open_state: Open, expected: dict[tuple[str, int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    state = open_state(churn=MODEL, processes=3)
    judging = start_judging(state, monkeypatch)
    send_rows(state)
    state.state.join_now()
    state.state.parts.evaluator.collect()
    waiting = len(state.state.parts.evaluator.waiting)

    def fail(*_: object, **__: object) -> None:
        raise StorageOutage("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(pool, "read", fail)
        with pytest.raises(StorageOutage):
            state.state.parts.evaluator.step(patient=False)
    assert len(state.state.parts.evaluator.waiting) == waiting
    ready(judging)
    state.view()
    assert evaluations(state) == expected


def test_deleting_ends_processes_which_remember_what_is_deleted(
    open_state: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = open_state(churn=MODEL, processes=2)
    judging = start_judging(state, monkeypatch)
    send_rows(state)
    state.view()
    state.state.erase(ErasureOrder("churn", "id", ("0-1",)))
    assert judging.running == 0
    ready(judging)
    state.view()
    assert "0-1" not in [row[0] for row in state.rows("SELECT id FROM predictions")]


def test_signals_of_a_terminal_and_of_a_service_manager_are_left_to_the_processor(
    open_state: Open, expected: dict[tuple[str, int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    state = open_state(churn=MODEL, processes=2)
    judging = start_judging(state, monkeypatch)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(judging.pids[0], number)
    send_rows(state)
    state.view()
    assert evaluations(state) == expected
    assert counted(state, m.DRIFTLINE_EVALUATION_PROCESS_FAILURES) == 0


def test_an_end_in_a_hurry_does_not_wait_for_a_process(open_state: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    state = open_state(churn=MODEL, processes=2)
    judging = start_judging(state, monkeypatch)
    process = judging._processes[0].process
    judging.kill()
    assert process.wait(60) == -signal.SIGKILL
    send_rows(state)
    assert len(state.view().windows["1h"]) == HOURS


def test_rolling_references_are_judged_where_their_days_are_kept(
    open_state: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = open_state(churn=Model.model_validate({"windows": ["1d"], "reference": {"last": "7d"}}), processes=2)
    start_judging(state, monkeypatch)
    state.send(
        predictions([f"{row}" for row in range(2_000)], (NOON - 9 * DAY + np.arange(2_000) * DAY // 250).tolist())
    )
    assert state.view().windows["1d"]
    assert counted(state, m.DRIFTLINE_EVALUATION_PROCESS_CPU_TIME) == 0


METRIC = """
def most(pane, task):
    return float(pane.parts["outcomes"][0])
"""


def test_metrics_of_users_are_computed_in_processes_too(
    open_state: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site"
    (package / "ours-1.0.dist-info").mkdir(parents=True)
    (package / "ours_metric.py").write_text(METRIC)
    (package / "ours-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: ours\nVersion: 1.0\n")
    (package / "ours-1.0.dist-info" / "entry_points.txt").write_text("[driftline_metric]\nours = ours_metric:most\n")
    monkeypatch.syspath_prepend(str(package))
    state = open_state(churn=MODEL, processes=2)
    start_judging(state, monkeypatch)
    monkeypatch.setattr(StoreJudge, "judge", None)
    send_rows(state)
    last = state.view().windows["1d"][-1]
    assert last.realized["ours"].value == last.outcome_rows


def test_processes_count_in_the_memory_of_the_processor_and_end_when_it_is_short(
    open_state: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = open_state(churn=MODEL, processes=2)
    judging = start_judging(state, monkeypatch)
    assert judging.bytes > 20 << 20
    assert "Another process judges windows, because there are many; it is busy for 0% of the time." in (
        state.state.publish().hints
    )
    monkeypatch.setattr(judging, "_pressed", lambda: True)
    judging.prepare(1_000)
    assert (judging.running, judging.bytes) == (0, 0)
    assert not state.state.publish().hints


@pytest.mark.parametrize(("memory", "share"), [("1GiB", 0.25), ("2GiB", 0.5)])
def test_two_processes_remember_half_of_what_the_processor_may(
    open_state: Open, monkeypatch: pytest.MonkeyPatch, memory: str, share: float
) -> None:
    started: list[Sequence[str]] = []

    def note(command: Sequence[str], **_: object) -> None:
        started.append(command)
        raise OSError

    monkeypatch.setattr(subprocess, "Popen", note)
    monkeypatch.setattr(pool, "WORTH", 0.0)
    state = open_state(churn=MODEL, processes=3, limits=Limits.model_validate({"memory": memory}))
    state.state._judging.prepare(1)
    assert float(started[0][-1]) == share


def test_a_process_remembers_no_more_than_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JudgingProcess, "_ask", lambda *_: [])
    one, other = socket.socketpair()
    with one, other:
        process = JudgingProcess(Channel(one), 0.25)
        monkeypatch.setattr(process, "_judged", lambda judge, _: [judge])
        order = JudgingOrder(SERIES, (WINDOW,), frozenset(), ModelSettings(), 0, OutcomeDelay())
        judge: Any = process._do(Work(order, 0, [])).judged[0]
    assert judge.readers.panes._most == MOST_BYTES // 4


def test_processes_that_take_too_much_memory_rest_longer_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "WORTH", 0.0)
    now, starts = [100.0], 0
    judging = JudgingProcesses(
        1, Counters(), lambda: now[0], lambda: judging.running > 0, (sys.executable, "-c", "input()")
    )
    for _ in range(2 * 60):
        judging.prepare(1)
        starts += judging.running
        now[0] += 0.5
    judging.close()
    assert starts == 6  # after 0, 1, 2, 4, 8 and 16 seconds
    now[0] += sum(pool.BACK_OFF) + 64.0
    judging.prepare(1)
    judging.prepare(1)
    assert judging._rests_until == now[0] + pool.BACK_OFF[0]


def test_a_large_model_gets_small_orders_beside_small_models() -> None:
    judging = JudgingProcesses(1, Counters())
    judging.note_judged(1, 100, 0.5)
    judging.note_judged(2, 1, 2.0)
    judging.note_judged(1, 100, 0.5)
    assert [judging.windows_at_once(series) for series in (1, 2, 3)] == [pool.MOST_WINDOWS, 1, 1]


@pytest.mark.parametrize(("seconds", "heard"), [(1.5, True), (2.5, False)])
def test_a_process_may_be_silent_for_each_window_of_its_order(
    monkeypatch: pytest.MonkeyPatch, seconds: float, heard: bool
) -> None:
    monkeypatch.setattr(pool, "WORTH", 0.0)
    now = [0.0]
    answer = "channel.send(Done([None, None], 0.0))"
    judging = JudgingProcesses(1, Counters(), lambda: now[0], command=(sys.executable, "-c", RUBBISH.format(answer)))
    ready(judging)
    order = JudgingOrder(SERIES, (WINDOW, WINDOW), frozenset(), ModelSettings(), 0, OutcomeDelay())
    assert judging.give(order, 0)
    now[0] = seconds * pool.PATIENCE
    wait, silent = judging._wait_for, [True]
    monkeypatch.setattr(judging, "_wait_for", lambda some: [] if silent and silent.pop() else wait(some, 60.0))
    unused: Any = None
    found = judging.collect(unused, unused)
    judging.close()
    assert found == (order, [None, None] if heard else None)


OWNER = """
import sys
from driftline_processor.evaluation.processes import pool
from driftline_processor.health import Counters
pool.WORTH = 0.0
judging = pool.JudgingProcesses(1, Counters())
judging.prepare(1)
while not judging.ready:
    judging._wait_for(judging._processes, 60.0)
    judging.prepare(1)
print(judging.pids[0], flush=True)
sys.stdin.read()
"""


def test_a_process_ends_when_the_processor_is_killed() -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert owner.stdin is not None
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    assert is_running(pid)
    owner.kill()
    owner.communicate()
    wait_until(lambda: not is_running(pid))


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
