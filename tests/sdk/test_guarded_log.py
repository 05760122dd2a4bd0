"""The application's logging may raise, block or call the model: the rows arrive, and the caller goes on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from io import StringIO

import driftline
import pytest
from driftline import guarded_log
from driftline.export import resource
from driftline.export.endpoint import resolve
from driftline.export.pipeline import pipeline_of
from driftline.export.transport import HttpChannel
from driftline.faults import logger

from tests.support.receiver import Receiver
from tests.support.service import Service, returns

REQUEST: ContextVar[str] = ContextVar("request")


@pytest.fixture
def attach() -> Iterator[Callable[[logging.Handler], None]]:
    """Return what gives the logger a handler for one test."""
    level = logger.settings.level
    logger.settings.setLevel(logging.INFO)
    handlers: list[logging.Handler] = []

    def attach(handler: logging.Handler) -> None:
        handlers.append(handler)
        logger.settings.addHandler(handler)

    yield attach
    logger.settings.setLevel(level)
    for handler in handlers:
        logger.settings.removeHandler(handler)


class Lines(logging.Handler):
    """A handler that keeps messages, after it has done something else."""

    def __init__(self, act: Callable[[logging.LogRecord], object] = str) -> None:
        super().__init__()
        self.act = act
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.act(record)
        self.lines.append(record.getMessage())


def raising(error: type[BaseException]) -> Callable[..., bool]:
    def act(*_: object) -> bool:
        raise error("application")

    return act


def _raising_handler() -> logging.Handler:
    return Lines(raising(LookupError))


def _exiting_handler() -> logging.Handler:
    return Lines(raising(SystemExit))


def _raising_filter() -> logging.Handler:
    handler = Lines()
    handler.addFilter(lambda _: bool(REQUEST.get()))
    return handler


def _raising_formatter() -> logging.Handler:
    handler = logging.StreamHandler(StringIO())
    formatter = logging.Formatter()
    formatter.format = raising(KeyError)  # type: ignore[assignment]
    handler.setFormatter(formatter)
    handler.handleError = raising(RuntimeError)  # type: ignore[assignment]
    return handler


def _closed_stream() -> logging.Handler:
    stream = StringIO()
    stream.close()
    handler = logging.StreamHandler(stream)
    handler.handleError = raising(ValueError)  # type: ignore[assignment]
    return handler


def _endless_recursion() -> logging.Handler:
    def again(record: logging.LogRecord) -> None:
        again(record)

    return Lines(again)


BROKEN = [_raising_handler, _exiting_handler, _raising_filter, _raising_formatter, _closed_stream, _endless_recursion]


@pytest.mark.parametrize("broken", BROKEN)
def test_no_row_is_lost_to_the_applications_logging(
    service: Service, attach: Callable[[logging.Handler], None], broken: Callable[[], logging.Handler]
) -> None:
    attach(broken())
    score = service.model().predict(returns(0.25))
    results = [score({"a": i}) for i in range(20)]

    assert service.flush() is True
    results += [score(object()), score({"a": "text"})]  # each is a line of its own
    assert service.flush() is True
    assert results == [0.25] * 22
    assert sum(len(table) for table in service.tables()) == 22


def test_a_line_that_the_applications_logging_rejects_is_written_to_stderr(
    attach: Callable[[logging.Handler], None], capsys: pytest.CaptureFixture[str]
) -> None:
    attach(_raising_filter())
    logger.warning("driftline: %s rows", 3)

    assert capsys.readouterr().err == "driftline: 3 rows\n"


def test_a_handler_that_calls_the_model_is_recorded_and_ends(
    service: Service, attach: Callable[[logging.Handler], None]
) -> None:
    score = service.model().predict(returns(0.25))
    handler = Lines(lambda _: score({"b": 1.0}))
    attach(handler)
    score({"a": 1.0})

    assert service.flush() is True
    assert service.flush() is True
    assert sum(len(table) for table in service.tables()) == 1 + len(handler.lines)
    assert any("recorded" in line for line in handler.lines)


def test_a_handler_may_flush(service: Service, attach: Callable[[logging.Handler], None]) -> None:
    score = service.model().predict(returns(0.25))
    flushed: list[bool] = []
    done = threading.Event()

    def flush(_: object) -> None:
        flushed.append(service.flush())
        done.set()

    attach(Lines(flush))
    score({"a": 1.0})

    assert service.flush() is True
    assert done.wait(60.0) is True
    assert flushed[0] is True


def test_a_handler_that_blocks_delays_one_line_and_no_row(
    service: Service, attach: Callable[[logging.Handler], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    handler = Lines(lambda _: go_on.wait(60.0))
    monkeypatch.setattr(guarded_log, "PATIENCE_SECONDS", 0.01)
    attach(handler)
    before = {*threading.enumerate()}
    try:
        score = service.model().predict(returns(0.25))
        score({"a": 1.0})
        assert service.flush() is True
        score(object())
        logger.warning("driftline: later")
        assert service.flush() is True
        assert sum(len(table) for table in service.tables()) == 2
        assert handler.lines == []
        new = [thread.name for thread in threading.enumerate() if thread not in before]
        assert new.count("driftline-log") <= 1
    finally:
        go_on.set()
    writer = logger._writer
    if writer is not None:
        writer.join(60.0)

    assert handler.lines[-1] == "driftline: later"
    logger.warning("driftline: after it")
    assert handler.lines[-1] == "driftline: after it"


def test_lines_keep_their_order_and_the_context_of_the_caller(attach: Callable[[logging.Handler], None]) -> None:
    requests: list[str] = []
    handler = Lines(lambda _: requests.append(REQUEST.get("none")))
    attach(handler)
    for name in "abc":
        token = REQUEST.set(name)
        logger.info("driftline: %s", name)
        REQUEST.reset(token)

    assert handler.lines == ["driftline: a", "driftline: b", "driftline: c"]
    assert requests == ["a", "b", "c"]
    assert logger._writer is None


def test_a_line_is_written_by_the_caller_if_no_thread_can_be_opened(
    attach: Callable[[logging.Handler], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = Lines()
    attach(handler)
    monkeypatch.setattr(threading.Thread, "start", raising(RuntimeError))
    logger.error("driftline: no thread")

    assert handler.lines == ["driftline: no thread"]


def test_lines_of_libraries_about_our_requests_cannot_raise_either(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []

    class Rejecting(Lines):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())
            raise LookupError("application")

    handler = Rejecting()
    monkeypatch.setattr(logging.root, "handlers", [handler])
    monkeypatch.setattr(logging.getLogger("urllib3.connectionpool"), "level", logging.DEBUG)
    logging.getLogger("urllib3.connectionpool").manager._clear_cache()  # type: ignore[attr-defined]
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "a=1,broken")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "broken")
    resource.reset_resource()
    base = f"http://127.0.0.1:{receiver.server_port}"
    channel = HttpChannel(resolve(base))
    score = driftline.Model("churn", task="binary", channel=channel).predict(returns(0.5), id="id")
    score({"id": "a"})

    assert pipeline_of(channel).flush(60.0) is True
    assert receiver.ids() == ["a"]
    assert any("POST /v1/logs" in line for line in lines)
    assert any("broken" in line for line in lines)
    with pytest.raises(LookupError):
        logging.getLogger("urllib3.connectionpool").warning("a line of the application's own requests")


def test_a_line_below_the_level_opens_no_thread(
    attach: Callable[[logging.Handler], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = Lines()
    attach(handler)
    logger.settings.setLevel(logging.ERROR)
    monkeypatch.setattr(threading, "Thread", raising(AssertionError))
    logger.warning("driftline: not shown")

    assert handler.lines == []
