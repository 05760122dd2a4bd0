"""``driftline top``: the tables, and a run against a processor's pages."""

from __future__ import annotations

import io
import os
import pty
import tty
from dataclasses import replace
from typing import Any, TextIO

import httpx
import pytest
from driftline_processor.core.evaluation import Cause, Explanation, Verdict
from driftline_processor.health import Health
from driftline_processor.ingest.completeness import Balance
from driftline_processor.terminal.top import models_table, run, windows_table
from driftline_processor.web.app import create_app
from rich.console import Console
from rich.table import Table
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from tests.support.fake_view import NOW, FakeView, accept, flights, fraud, many, price
from tests.support.serve import serve


def document(path: str, view: FakeView | None = None) -> Any:
    return TestClient(create_app(view or many(), accept, Health(), lambda: NOW)).get(path).json()


def drawn(table: Table, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_the_models_fit_eighty_columns() -> None:
    assert drawn(models_table(document("/api/v1/models"), 80, NOW), 80) == [
        "model            state   rows      drifted said → was performance    known",
        "flights winter … at risk  57k          2/9  23 → 33 % log loss 0.650  96 %",
        "fraud v7 prod    unknown  15k          1/1          – –                  –",
        "animals 2        –       4.0k            –          – log loss 0.300  10 %",
        "price eu         –         12 too few rows          – MAE 21,000     100 %",
        "churn            –         10            –          – –                  –",
    ]


def test_rows_that_did_not_arrive_are_shown_where_some_did_not() -> None:
    lost, complete = price(), fraud()
    view = FakeView(
        [replace(lost, balance=Balance(90.0, 120.0, 0, 1)), replace(complete, balance=Balance(99.0, 100.0, 0, 1))]
    )
    rows = drawn(models_table(document("/api/v1/models", view), 80, NOW), 80)
    assert rows[1].startswith("fraud v7 prod unknown       15k          1/1")
    assert rows[2].startswith("price eu      –       12 (75 %) too few rows")


def test_a_wide_terminal_shows_traffic_the_window_and_more_metrics() -> None:
    header, flights, fraud, *_ = drawn(models_table(document("/api/v1/models"), 170, NOW), 170)
    assert header == (
        "model               state   traffic      rows last    window                  drifted   PSI said → was "
        "performance                                           known"
    )
    assert flights == (
        "flights winter demo at risk ██████████    57k now     Dec 2013                    2/9 0.039  23 → 33 % "
        "log loss 0.650 (0.673), ROC AUC 0.636, accuracy 0.670  96 %"
    )
    assert "▅▆▆▆▆▇▇▇▇███  15k now     1 Jan 07:00" in fraud


def test_months_are_a_row_each_with_the_rate_that_came_true_and_the_loss_of_a_constant() -> None:
    lines = drawn(windows_table(document("/api/v1/models/flights/evaluations?window=1mo")), 80)
    assert lines[0].split() == ["score", "log", "loss"]
    assert lines[1] == "window    rows known drifted   PSI    said → was    (constant) ROC AUC"
    assert lines[6] == "Jul 2013 5,348  96 %     3/9 0.981 13.5 → 31.5 % 0.723 (0.653)   0.655"
    assert len(lines) == 12


def test_a_log_loss_above_that_of_a_constant_is_red() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system="standard")
    console.print(windows_table(document("/api/v1/models/flights/evaluations?window=1mo")))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "\x1b[1;31m0.723\x1b[0m" in text
    assert "\x1b[1;31m0.425\x1b[0m" not in text


def test_windows_of_a_regression_show_its_errors() -> None:
    lines = drawn(windows_table(document("/api/v1/models/price/evaluations?window=1d")), 80)
    assert lines[1].split()[-3:] == ["MAE", "RMSE", "R²"]
    assert lines[2].split() == [
        "31",
        "Dec",
        "2013",
        "12",
        "100",
        "%",
        "too",
        "few",
        "rows",
        "–",
        "–",
        "21,000",
        "30,100",
        "0.710",
    ]


def test_windows_without_outcomes_say_unknown_and_never_zero() -> None:
    lines = drawn(windows_table(document("/api/v1/models/fraud/evaluations?window=1h")), 80)
    assert lines[-1].split() == ["1", "Jan", "09:00", "(open)", "1,380", "–", "1/1", "–", "–"]


def test_no_window_at_all_is_an_empty_table() -> None:
    assert len(drawn(windows_table({"windows": []}), 80)) == 2


def printed(url: str) -> tuple[int, str]:
    console = Console(file=io.StringIO(), width=100)
    code = run(url, console)
    assert isinstance(console.file, io.StringIO)
    return code, console.file.getvalue()


def test_in_a_pipe_it_prints_once_with_the_hints(served: tuple[FakeView, str]) -> None:
    code, text = printed(served[1].removeprefix("http://"))
    assert code == 0
    assert "driftline top  http://127.0.0.1:" in text
    assert "flights winter …" in text
    assert "fraud: 1 January 2014, 08:00 – 09:00: of 5 baseline features 2 arrive" in text


def test_with_no_model_it_says_where_to_read_on(served: tuple[FakeView, str]) -> None:
    view, url = served
    view.said = ("1 outcome waits for model rsik.",)
    assert "1 outcome waits for model rsik.\n" in printed(url)[1]
    view.known = view.known[:1]
    assert "  1 model\n" in printed(url)[1]
    view.known = []
    assert "1 outcome waits for model rsik.\n" in printed(url)[1]
    assert "No model has been seen yet" in printed(url)[1]


def test_the_sentences_of_the_worst_models_come_first_and_the_worst_model_is_the_first_row(
    served: tuple[FakeView, str],
) -> None:
    view, url = served
    wrong = Verdict(
        "wrong", NOW, "mae", 9.0, 5.0, 13.0, "", "", "Sure.", "The model has been wrong: its \x1b[2Jerror rose.", ""
    )
    view.known = [flights(), replace(price(), verdict=wrong), replace(fraud(), in_use=False)]
    lines = printed(url)[1].splitlines()
    assert lines[1] == "price eu: The model has been wrong: its ·[2Jerror rose."
    assert lines[2].startswith("flights winter demo: The model has been at risk since")
    table = next(at for at, line in enumerate(lines) if line.startswith("model"))
    assert [line.split()[0] for line in lines[table + 1 : table + 4]] == ["price", "flights", "fraud"]


def test_one_model_needs_no_name_before_its_sentence(served: tuple[FakeView, str]) -> None:
    view, url = served
    view.known = [flights()]
    assert printed(url)[1].splitlines()[1].startswith("The model has been at risk since")


def test_it_says_why_a_model_drifts(served: tuple[FakeView, str]) -> None:
    view, url = served
    drifting = fraud()
    why = Cause(
        ("amount",),
        "",
        0.4,
        (),
        sentence="amount has drifted since 2014-01-01: values of 100 or more went from 12 % to 52 %",
    )
    closed = [evaluation for evaluation in drifting.windows["1h"] if evaluation.closed]
    closed[-1].explanation = Explanation((why,), why.sentence)
    view.known = [drifting, price()]
    text = " ".join(printed(url)[1].split())
    assert "fraud v7 prod: amount has drifted since 2014-01-01: values of 100 or more went from 12 % to 52 %" in text
    assert "price eu:" not in text


def test_where_nothing_answers_one_sentence_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed("127.0.0.1:1")[0] == 1
    assert capsys.readouterr().err == (
        "driftline top: nothing answers at http://127.0.0.1:1; start 'driftline up', "
        "or name a running one: driftline top URL\n"
    )


def test_another_server_is_told_from_a_processor(capsys: pytest.CaptureFixture[str]) -> None:
    answers = {"/api/v1/models": JSONResponse([]), "/page/api/v1/models": PlainTextResponse("hello")}
    with serve(Starlette(routes=[Route(path, answer) for path, answer in answers.items()])) as url:
        for address in (url, url + "/page", url + "/nowhere"):
            assert printed(address)[0] == 1
            assert capsys.readouterr().err == (
                f"driftline top: {address} answers, but not as Driftline does; name the pages' address (web.endpoint)\n"
            )


def test_q_ends_the_live_view(served: tuple[FakeView, str], monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "wb", buffering=0) as keyboard, os.fdopen(theirs) as terminal:
        set_up = tty.setcbreak

        def set_up_and_type(stream: TextIO) -> None:
            set_up(stream)  # forgets what was typed before
            keyboard.write(b"xq")

        monkeypatch.setattr("tty.setcbreak", set_up_and_type)
        monkeypatch.setattr("sys.stdin", terminal)
        console = Console(file=io.StringIO(), width=100, force_terminal=True)
        assert run(served[1], console) == 0


def test_a_processor_that_goes_away_is_looked_for_again(
    served: tuple[FakeView, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([{"models": []}, httpx.ConnectError("gone"), KeyboardInterrupt()])

    def get(*_: object) -> httpx.Response:
        answer = next(answers)
        if isinstance(answer, BaseException):
            raise answer
        return httpx.Response(200, json=answer, request=httpx.Request("GET", served[1]))

    monkeypatch.setattr("httpx.Client.get", get)
    monkeypatch.setattr("driftline_processor.terminal.top.time.sleep", lambda _: None)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    assert run(served[1], console) == 0
    assert isinstance(console.file, io.StringIO)
    assert "connection lost; looking again" in console.file.getvalue()


def test_ctrl_c_ends_the_live_view(served: tuple[FakeView, str], monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter(range(2))

    def interrupt(_: float) -> None:
        if next(looks, None) is None:
            raise KeyboardInterrupt

    monkeypatch.setattr("driftline_processor.terminal.top.time.sleep", interrupt)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    assert run(served[1], console) == 0
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().count("driftline top") >= 2
