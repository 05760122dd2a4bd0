"""``Model.instrument`` finds the integration of an object by the package of its type, and imports no other."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import driftline
import pytest
from driftline.integration import discovery
from driftline.integration.discovery import integration_for

from tests.support.facts import lacking


class Own:
    """An object of no known package."""


def points(monkeypatch: pytest.MonkeyPatch, **known: Any) -> None:
    found = [SimpleNamespace(name=name, load=lambda value=value: value) for name, value in known.items()]
    monkeypatch.setattr(discovery, "entry_points", lambda group: found if group == discovery.GROUP else [])


def test_the_nearest_base_that_is_known_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    general = type("General", (), {"__module__": "general.core.models"})
    special = type("Special", (general,), {"__module__": "special"})
    own = type("Own", (special,), {"__module__": "shop.models"})
    points(monkeypatch, general="of the general", special="of the special")

    found: list[Any] = [integration_for(kind()) for kind in (general, special, own)]
    assert found == ["of the general", "of the special", "of the special"]


def test_instrument_passes_everything_on_and_returns_what_the_integration_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[Any] = []

    def instrument(*args: Any, **kwargs: Any) -> Any:
        calls.append((args, kwargs))
        return args[1]

    points(monkeypatch, **{Own.__module__.partition(".")[0]: instrument})
    model, target = driftline.Model("churn", task="binary"), Own()

    assert model.instrument(target, routes={}, outcomes="/o") is target
    assert calls == [((model, target), {"routes": {}, "outcomes": "/o"})]


def test_an_object_that_nobody_knows_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    points(monkeypatch, sklearn=None, flask=None)

    with pytest.raises(TypeError) as raised:
        driftline.Model("churn", task="binary").instrument(Own())

    assert lacking(str(raised.value), f"{Own.__module__}.Own", "@model.predict") == []


@pytest.mark.slow
def test_only_the_framework_of_the_object_is_imported() -> None:
    script = """
import sys, driftline
from flask import Flask
driftline.Model("churn", task="binary").instrument(Flask("shop"))
names = ("driftline_integrations.flask", "driftline_integrations.fastapi", "fastapi", "sklearn")
print([name for name in names if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['driftline_integrations.flask']"
