"""The SDK and the integrations log in one way, which the application's logging cannot break."""

from __future__ import annotations

import ast

from .modules import Module, modules, within

EMITTING = {"debug", "info", "warning", "warn", "error", "exception", "critical", "fatal", "log", "handle"}


def direct_calls(module: Module) -> list[str]:
    """Return the calls of a module that run the application's logging, or its filters of warnings, unguarded."""
    calls = [node.func for node in module.nodes if isinstance(node, ast.Call)]
    named = [ast.unparse(call) for call in calls]
    return [
        f"{module.name}: {name}"
        for call, name in zip(calls, named, strict=True)
        if name.endswith(("getLogger", "warnings.warn", "warnings.warn_explicit"))
        or (
            isinstance(call, ast.Attribute)
            and call.attr in EMITTING
            and (name.startswith("logging.") or ".settings." in name or "_logger." in name)
        )
    ]


def test_everything_is_logged_through_the_guarded_logger() -> None:
    direct = [
        call
        for module in modules()
        if within(module.name, "driftline", "driftline_integrations") and module.name != "driftline.guarded_log"
        for call in direct_calls(module)
    ]

    assert direct == []


def test_a_direct_call_would_be_found() -> None:
    (guarded,) = (module for module in modules() if module.name == "driftline.guarded_log")

    assert set(direct_calls(guarded)) == {
        "driftline.guarded_log: logging.getLogger",
        "driftline.guarded_log: logging.getLogger(record.name).handle",
        "driftline.guarded_log: logging.lastResort.handle",
    }
