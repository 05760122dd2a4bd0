"""However a process ends, the rows, the spans and the counts of its predictions agree: each arrives once."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

import pytest
from driftline_processor.demo.processes import free_port

from .conftest import Books, environment, running

HEAD = """
import atexit, multiprocessing, os, signal, sys, threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from tests.end_to_end.servers.sender import driftline, send

def send_and_raise(name):
    send(name)
    raise ValueError(name)

def send_and_exit(name):
    send(name)
    sys.exit(3)
"""

SCRIPTS = {
    "returns": "send('a')",
    "calls sys.exit": "send('a'); sys.exit(3)",
    "raises": "send('a'); raise ValueError",
    "turns SIGTERM into an exit": """
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        send('a')
        os.kill(os.getpid(), signal.SIGTERM)""",
    "leaves a thread": """
        ended = threading.main_thread().join
        threading.Thread(target=lambda: (ended(), send('b'))).start()
        send('a')""",
    "leaves a pool of threads": "send('a'); ThreadPoolExecutor().submit(send, 'b')",
    "predicts in an atexit handler": "send('a'); atexit.register(send, 'b')",
    "registers an atexit handler before the first prediction": "atexit.register(send, 'b'); send('a')",
    "predicts in an atexit handler only": "atexit.register(send, 'a')",
    "forks, and the child exits": """
        send('a')
        if os.fork() == 0:
            send('b')
            sys.exit()
        os.wait()
        send('c')""",
    "forks before the first prediction": """
        if os.fork() == 0:
            send('b')
            sys.exit()
        os.wait()
        send('a')""",
    "forks after a flush": """
        send('a')
        driftline.flush()
        if os.fork() == 0:
            send('b')
            sys.exit()
        os.wait()
        send('c')""",
    "forks twice after a flush": """
        send('a')
        driftline.flush()
        if os.fork() == 0:
            send('b')
            driftline.flush()
            if os.fork() == 0:
                send('c')
                sys.exit()
            os.wait()
            sys.exit()
        os.wait()""",
    "ends in the child of a fork": """
        if os.fork():
            os.wait()
            os._exit(0)
        send('a')""",
}

CHILDREN = """
if __name__ == "__main__":
    context = multiprocessing.get_context({method!r})
    send("parent")
    driftline.flush()
    for work in (send, send_and_raise, send_and_exit):
        child = context.Process(target=work, args=(work.__name__,))
        child.start()
        child.join()
    for tasks in (None, 1):
        pool = context.Pool(2, maxtasksperchild=tasks)
        pool.map_async(send, [f"pool {{tasks}} {{i}}" for i in range(4)], chunksize=1).wait()
        pool.close()
        pool.join()
    for tasks in (None, 1) if {method!r} != "fork" else (None,):  # Python does not replace children that it forks
        with ProcessPoolExecutor(2, context, max_tasks_per_child=tasks) as pool:
            list(pool.map(send, [f"executor {{tasks}} {{i}}" for i in range(4)]))
    context.Process(target=send, args=("not joined",)).start()
"""

providers = pytest.mark.parametrize("providers", ["configure", "own"])


def run(body: str, books: Books, providers: str, folder: Path) -> str:
    """Run a program, and return what it wrote to stderr."""
    program = folder / "program.py"
    program.write_text(body)
    env = environment(books, {"SENDER": providers})
    done = subprocess.run(
        [sys.executable, str(program)], env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert "internal error" not in done.stderr
    return done.stderr


def ids(*names: str) -> list[str]:
    """Return the ids of the predictions of ``send(name)``, for each name, sorted."""
    return sorted(f"{name}-{way}" for name in names for way in ("call", "generator", "deferred", "route"))


def assert_agree(books: Books, names: Iterable[str], log: str) -> None:
    """Assert that the predictions of ``send(name)``, for each name, are one row, one span and one count each."""
    expected = ids(*names)
    assert (books.ids(), books.span_ids(), books.counted()) == (expected, expected, len(expected)), log


@providers
@pytest.mark.parametrize("script", SCRIPTS)
def test_rows_spans_and_counts_agree_after_a_script(books: Books, tmp_path: Path, script: str, providers: str) -> None:
    body = textwrap.dedent(SCRIPTS[script])
    log = run(HEAD + body, books, providers, tmp_path)

    assert_agree(books, "".join(name for name in "abc" if f"send('{name}')" in body or f"send, '{name}'" in body), log)


@providers
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_rows_spans_and_counts_agree_after_child_processes(
    books: Books, tmp_path: Path, method: str, providers: str
) -> None:
    log = run(HEAD + CHILDREN.format(method=method), books, providers, tmp_path)

    pools = ["pool None", "pool 1", "executor None", *(["executor 1"] if method != "fork" else [])]
    pooled = [f"{pool} {i}" for pool in pools for i in range(4)]
    assert_agree(books, ["parent", "send", "send_and_raise", "send_and_exit", *pooled, "not joined"], log)


@providers
def test_one_line_names_calls_of_a_handler_that_was_registered_before_the_import(
    books: Books, tmp_path: Path, providers: str
) -> None:
    early = "import atexit\natexit.register(lambda: [driftline, send('b'), send('c')])\n"
    log = run(early + HEAD + "send('a')", books, providers, tmp_path)

    line = "driftline: predictions and outcomes after driftline.shutdown() or the end of the process are not recorded"
    assert log.count(line) == 1
    assert books.ids() == ids("a")
    assert books.counted() == 4


SERVERS = {
    "gunicorn": "gunicorn -w 2 --max-requests 7 {sender}:wsgi",
    "gunicorn, preload": "gunicorn -w 2 --preload --max-requests 7 {sender}:wsgi",
    "gunicorn, threads": "gunicorn -w 2 -k gthread --threads 2 --max-requests 7 {sender}:wsgi",
    "gunicorn, uvicorn": "gunicorn -w 2 -k uvicorn.workers.UvicornWorker --max-requests 7 {sender}:asgi",
    "uvicorn, workers": "uvicorn --workers 2 --limit-max-requests 7 {sender}:asgi",
    "uvicorn": "uvicorn {sender}:asgi",
}


@providers
@pytest.mark.parametrize("server", SERVERS)
def test_rows_spans_and_counts_agree_after_workers_that_are_replaced(
    books: Books, tmp_path: Path, server: str, providers: str
) -> None:
    pytest.importorskip(server.split(",")[0])
    names = [f"customer-{i}" for i in range(20)]
    port = free_port()
    bind = ["--port", str(port)] if server.startswith("uvicorn") else ["-b", f"127.0.0.1:{port}"]
    command = [*SERVERS[server].format(sender="tests.end_to_end.servers.sender").split(), *bind]
    with running(command, port, environment(books, {"SENDER": providers}), tmp_path) as shop:
        shop.wait_until_it_listens()
        shop.ask(*(path for name in names for path in (f"route/{name}-route", f"others/{name}")))
        shop.stop()

    assert_agree(books, names, shop.log)
