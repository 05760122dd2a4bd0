"""Files that really are damaged, and the real processor over them: which file, what to do, and what is missing."""

from __future__ import annotations

import os
import re
import shutil
import signal
from pathlib import Path

import httpx
import pytest
from driftline_processor.cli.commands import app
from typer.testing import CliRunner

from tests.support.facts import lacking
from tests.support.processes import addresses, has_rows, post_predictions, prediction, process

pytestmark = pytest.mark.heavy

SENT = 40
STATE = "driftline-data"
LOG = "driftline.duckdb.wal"
TIME = r"20\d\d-\d\d-\d\dT[0-9:.]+Z"


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is left of a processor that was stopped once, and killed after forty more requests."""
    folder = tmp_path_factory.mktemp("killed")
    for first, signaled in ((0, signal.SIGTERM), (SENT, signal.SIGKILL)):
        with process(folder) as child:
            otlp, web = addresses(child)
            assert all(post_predictions(otlp, prediction("churn", f"order-{first + i}")) for i in range(SENT))
            assert has_rows(web, first + SENT)
            child.send_signal(signaled)
            child.wait(60)
    assert (folder / STATE / LOG).stat().st_size > 1000
    return folder


def problems(web: str) -> dict[str, str]:
    answer = httpx.get(f"{web}/readyz", trust_env=False)
    assert (answer.status_code, answer.json()["ready"]) == (200, True)
    return {problem["name"]: problem["message"] for problem in answer.json()["problems"]}


def test_a_flipped_byte_in_the_log_costs_what_follows_and_nothing_else(killed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "flipped"
    shutil.copytree(killed, folder)
    log = folder / STATE / LOG
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 0xFF
    log.write_bytes(data)
    with process(folder) as child:
        otlp, web = addresses(child)
        assert has_rows(web, 2 * SENT)  # the log of requests still had what was cut off
        said = problems(web)
        assert "storage_gap" not in said, "nothing is lost"
        assert lacking(said["storage_damaged"], f"{LOG} was damaged", "set aside in") == []
        bodies = [prediction("churn", f"order-{i}") for i in range(2 * SENT)]
        assert all(post_predictions(otlp, body) for body in bodies)  # whoever still has them sends them again
        assert has_rows(web, 2 * SENT)
    (aside,) = (folder / STATE).glob("damaged-*")
    assert (aside / LOG).read_bytes() == data


@pytest.mark.parametrize("kept", [0.999, 0.75, 0.5, 0.25, 0.0])
def test_a_torn_log_of_which_the_requests_are_still_there_is_no_gap(killed: Path, tmp_path: Path, kept: float) -> None:
    folder = tmp_path / "torn"
    shutil.copytree(killed, folder)
    log = folder / STATE / LOG
    log.write_bytes(log.read_bytes()[: int(log.stat().st_size * kept)])
    with process(folder) as child:
        _, web = addresses(child)
        assert has_rows(web, 2 * SENT)
        assert problems(web) == {}


def test_half_a_file_is_rebuilt_from_the_log_of_requests(killed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "half"
    shutil.copytree(killed, folder)
    file = folder / STATE / "driftline.duckdb"
    os.truncate(file, file.stat().st_size // 2)
    (folder / STATE / LOG).unlink()
    with process(folder) as child:
        _, web = addresses(child)
        assert has_rows(web, SENT), "the log has the requests since the last start"
        assert list(problems(web)) == ["storage_damaged"]


def test_an_empty_folder_of_requests_is_said(killed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "emptied"
    shutil.copytree(killed, folder)
    (folder / STATE / LOG).unlink()  # the database has the first forty rows, the log had the others
    shutil.rmtree(folder / STATE / "log")
    checked = CliRunner().invoke(app, ["state", "check", str(folder / STATE)])
    assert checked.exit_code == 1
    assert "the acknowledged requests in bytes" in checked.output
    with process(folder) as child:
        _, web = addresses(child)
        assert has_rows(web, SENT)
        told = problems(web)
        assert {"storage_gap", "log_gap"} <= told.keys()
        assert "the acknowledged requests in bytes" in told["log_gap"]


def test_a_halved_log_whose_requests_are_gone_is_said(killed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "halved"
    shutil.copytree(killed, folder)
    log = folder / STATE / LOG
    log.write_bytes(log.read_bytes()[: log.stat().st_size // 2])
    for file in (folder / STATE / "log").glob("*.log"):
        file.unlink()
    with process(folder) as child:
        _, web = addresses(child)
        assert has_rows(web, SENT)
        said = problems(web)["storage_gap"]
        assert re.search(f"data acknowledged from {TIME} to {TIME} was lost in ", said)
        child.send_signal(signal.SIGTERM)
        _, errors = child.communicate(timeout=60)
        assert f"driftline: {said}\n" in errors


def test_a_flipped_block_of_the_file_is_set_aside_and_the_log_is_read_again(killed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "block"
    shutil.copytree(killed, folder)
    file = folder / STATE / "driftline.duckdb"
    data = bytearray(file.read_bytes())
    data[12288:] = bytes(byte ^ 0x55 for byte in data[12288:])  # what follows the three headers
    file.write_bytes(data)
    with process(folder) as child:
        _, web = addresses(child)
        assert has_rows(web, SENT)  # the log of requests has those since the last start
        said = problems(web)
        assert list(said) == ["storage_damaged"]
        assert lacking(said["storage_damaged"], f"{file} was damaged", "set aside in", "driftline state restore") == []
