"""Examples in docstrings record nothing: no thread, no request to whatever listens on this machine."""

import pytest


@pytest.fixture(autouse=True)
def _silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
