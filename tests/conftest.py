"""What holds for every test: property tests draw the same examples each time, and no clock fails them."""

from __future__ import annotations

import atexit
import functools
import gc
import os
import tempfile

import httpx
import pytest
import typer.testing
from hypothesis import settings

settings.register_profile("driftline", derandomize=True, deadline=None)
settings.load_profile("driftline")

# The tokens of processors that tests start are not those of the user who runs the tests.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="driftline-tests-")

# A server on a busy machine is slow, not wrong: a test waits for it longer than the five seconds of httpx. Whom to
# trust is read once, not for each of ten thousand requests: that took thirty times as long as a request.
TRUSTED = httpx.create_ssl_context()
for _client in (httpx.get, httpx.post, httpx.put, httpx.delete, httpx.request, httpx.Client.__init__):
    assert _client.__kwdefaults__ is not None
    _client.__kwdefaults__["verify"] = TRUSTED
    if _client is not httpx.Client.__init__:
        _client.__kwdefaults__["timeout"] = httpx.Timeout(60)


# The commands are made of their functions once, as in a process of a user, not for each of a thousand runs of one.
typer.testing._get_command = functools.cache(typer.testing._get_command)  # type: ignore[attr-defined]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let files with long tests come first: at the end, no core waits for one that a last file keeps busy."""
    marks = {item.path: 0 for item in items}
    for item in items:
        marks[item.path] = max(marks[item.path], any(item.iter_markers("slow")), 2 * any(item.iter_markers("heavy")))
    items.sort(key=lambda item: -marks[item.path])


gc.disable()  # until tests are collected: nothing of them is garbage


def pytest_collection_finish() -> None:
    """Keep ten thousand tests out of every collection of garbage: each took a second to go through them."""
    gc.freeze()
    gc.enable()
    atexit.register(gc.unfreeze)
