"""``driftline top`` in a pipe, and what it says where there is no processor."""

from __future__ import annotations

import io
import re

import pytest
from driftline_processor.cli.connection import Connection
from driftline_processor.core import facts
from driftline_processor.core.evaluation import Cause, Change, Explanation, Verdict
from driftline_processor.present.sentences.causes import cause_sentence
from driftline_processor.present.sentences.verdict import verdict_headline
from driftline_processor.terminal.top import run
from msgspec.structs import replace
from rich.console import Console
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from tests.support.fake_view import NOW, FakeView, flights, fraud, price
from tests.support.serve import serve
from tests.support.unwrap import unwrap


def printed(url: str) -> tuple[int, str]:
    console = Console(file=io.StringIO(), width=100)
    code = run(Connection(url), console)
    assert isinstance(console.file, io.StringIO)
    return code, console.file.getvalue()


def test_in_a_pipe_it_prints_once_with_the_hints(served: tuple[FakeView, str]) -> None:
    code, text = printed(served[1].removeprefix("http://"))
    assert code == 0
    assert "driftline top  http://127.0.0.1:" in text
    assert "flights winter …" in text
    assert "fraud: 1 January 2014, 08:00 to 09:00: 2 of 5 baseline features " in text


def test_with_no_model_it_says_where_to_read_on(served: tuple[FakeView, str]) -> None:
    view, url = served
    view.said = ("1 outcome waits for model rsik.",)
    assert "1 outcome waits for model rsik.\n" in printed(url)[1]
    view.known = view.known[:1]
    assert "  1 model\n" in printed(url)[1]
    view.known = []
    assert "1 outcome waits for model rsik.\n" in printed(url)[1]
    assert "No model has sent predictions yet" in printed(url)[1]


def test_the_headlines_of_the_worst_models_come_first_and_the_worst_model_is_the_first_row(
    served: tuple[FakeView, str],
) -> None:
    view, url = served
    wrong = Verdict(
        "degraded",
        NOW,
        "mae",
        9.0,
        5.0,
        13.0,
        reasons=(facts.ColumnMoved(name="a\x1b[2Jge"),),
    )
    view.known = [flights(), replace(price(), verdict=wrong), replace(fraud(), in_use=False)]
    lines = printed(url)[1].splitlines()
    flights_verdict = unwrap(flights().verdict)
    assert lines[1] == f"price eu: {verdict_headline(wrong)}"
    assert "a·[2Jge" in lines[1]
    assert lines[2] == f"flights winter demo: {verdict_headline(flights_verdict)}"
    table = next(at for at, line in enumerate(lines) if line.startswith("model"))
    assert [line.split()[0] for line in lines[table + 1 : table + 4]] == ["price", "flights", "fraud"]


def test_one_model_needs_no_name_before_its_headline(served: tuple[FakeView, str]) -> None:
    view, url = served
    view.known = [flights()]
    verdict = unwrap(flights().verdict)
    assert printed(url)[1].splitlines()[1] == verdict_headline(verdict)


def test_it_says_why_a_model_drifts(served: tuple[FakeView, str]) -> None:
    view, url = served
    drifting = fraud()
    why = Cause(
        ("amount",),
        "",
        0.4,
        (Change("values of 100 or more", 0.12, 0.52),),
    )
    closed = [evaluation for evaluation in drifting.windows["1h"] if evaluation.closed]
    closed[-1].explanation = Explanation((why,))
    view.known = [drifting, price()]
    text = " ".join(printed(url)[1].split())
    assert cause_sentence(why).rstrip(".") in text
    assert "price eu:" not in text


def test_where_nothing_answers_one_sentence_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed("127.0.0.1:1")[0] == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert re.findall("http://127.0.0.1:1;|driftline up|driftline top URL", line) == [
        *("http://127.0.0.1:1;", "driftline up", "driftline top URL")
    ]


def test_another_server_is_told_from_a_processor(capsys: pytest.CaptureFixture[str]) -> None:
    answers = {"/api/v1/models": JSONResponse([]), "/page/api/v1/models": PlainTextResponse("hello")}
    with serve(Starlette(routes=[Route(path, answer) for path, answer in answers.items()])) as url:
        for address in (url, url + "/page", url + "/nowhere"):
            assert printed(address)[0] == 1
            (line,) = capsys.readouterr().err.splitlines()
            assert f" {address} " in line
            assert "web.endpoint" in line


@pytest.mark.parametrize(
    "garbage",
    [
        '{"models": 3}',
        '{"models": [{}]}',
        '{"models": [[]]}',
        '{"models": [], "verdicts": 3, "hints": 7}',
        '{"models": [{"model": 3, "version": 1, "environment": [], "rows": "x", "hints": 0, "windows": 5}]}',
        "[" * 100_000,
    ],
)
def test_garbage_is_one_sentence_and_a_failure(garbage: str, capsys: pytest.CaptureFixture[str]) -> None:
    answer = PlainTextResponse(garbage, media_type="application/json")
    with serve(Starlette(routes=[Route("/api/v1/models", answer)])) as url:
        assert printed(url)[0] == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f" {url} " in line
    assert "web.endpoint" in line


def test_garbage_in_a_terminal_starts_no_application(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    with serve(Starlette(routes=[Route("/api/v1/models", JSONResponse({"models": [{}]}))])) as url:
        assert run(Connection(url), Console(file=io.StringIO(), width=100, force_terminal=True)) == 1
    assert "is not from Driftline" in capsys.readouterr().err


def test_a_terminal_without_a_keyboard_gets_the_page_once(
    served: tuple[FakeView, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    assert run(Connection(served[1]), console) == 0
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().count("driftline top") == 1
