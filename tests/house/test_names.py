"""Telemetry names live in one registry; everything else is generated from it or refers to it."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest
import yaml
from driftline.semconv import attributes, events, metrics
from driftline.tables.task import KINDS
from driftline_processor.core.concept.result import ConceptState
from driftline_processor.core.estimate.track_record import Standing
from driftline_processor.core.evaluation import BaselineComparison, Judgement, State, VerdictState
from driftline_processor.core.quality.judge import CHECKS
from driftline_processor.core.versions.comparison import Verdict as VersionVerdict
from driftline_processor.receipts import Signal

from tests.support.paths import ROOT
from tests.support.unwrap import unwrap

from .modules import Module, modules, within


@cache
def generator() -> ModuleType:
    """Import the development script, which belongs to no package."""
    spec = unwrap(importlib.util.spec_from_file_location("generate_semconv", ROOT / "scripts/generate_semconv.py"))
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    unwrap(spec.loader).exec_module(module)
    return module


@cache
def constants(module: ModuleType) -> dict[str, str]:
    return {key: value for key, value in vars(module).items() if key.isupper() and isinstance(value, str)}


REGISTERED = {*constants(attributes).values(), *constants(events).values(), *constants(metrics).values()}
PROMETHEUS = {instrument.prometheus for instrument in metrics.INSTRUMENTS.values()}


def test_constants_and_reference_page_are_those_of_the_registry(capsys: pytest.CaptureFixture[str]) -> None:
    assert generator().main(["--check"]) == 0, capsys.readouterr().out


def test_a_constant_is_its_name_in_upper_case() -> None:
    for module in (attributes, events, metrics):
        assert {key: value.upper().replace(".", "_") for key, value in constants(module).items()} == {
            key: key for key in constants(module)
        }


def test_prometheus_names_are_the_ones_that_outsiders_rely_on() -> None:
    promised = {
        metrics.ML_PREDICTIONS: "ml_predictions_total",
        metrics.ML_PREDICT_DURATION: "ml_predict_duration_seconds",
        metrics.DRIFTLINE_DRIFT_VALUE: "driftline_drift_value",
        metrics.DRIFTLINE_DRIFT_STATUS: "driftline_drift_status",
        metrics.DRIFTLINE_PERFORMANCE_VALUE: "driftline_performance_value",
        metrics.DRIFTLINE_PERFORMANCE_WINDOW_END: "driftline_performance_window_end_seconds",
        metrics.DRIFTLINE_OUTCOME_COVERAGE: "driftline_outcome_coverage_ratio",
    }
    assert {name: metrics.INSTRUMENTS[name].prometheus for name in promised} == promised


CORE = {
    *("ml.model.name", "ml.model.version", "ml.model.task", "ml.operation.name", "ml.outcome.actual"),
    *(f"ml.prediction.{name}" for name in ("id", "score", "class", "value", "count")),
    *("span.ml.predict", "ml.predict.duration", "ml.predictions", "ml.prediction", "ml.outcome"),
}
"""All names in ``ml.*``: what a working group could take as it is. Another name is Driftline's own: ``driftline.*``."""


def names_of(registry: Any) -> set[str]:
    attributes = {attribute["id"] for attribute in registry.attributes()}
    spans = {span["id"] for span in registry.spans}
    named = {*(e["name"] for e in registry.events), *(m["metric_name"] for m in registry.metrics)}
    return {*attributes, *spans, *named, *registry.imported()}


def test_ml_names_are_those_of_the_core_and_all_others_are_ours() -> None:
    ours = ("driftline.", "span.driftline.")
    outside = {name for name in names_of(generator().read()) if not name.startswith(ours)}

    assert outside == CORE | {
        *("error.type", "service.name", "service.version", "service.instance.id", "deployment.environment.name")
    }


def test_no_attribute_and_no_metric_is_the_namespace_of_another() -> None:
    registry = generator().read()
    attributes = [attribute["id"] for attribute in registry.attributes()]
    metrics = [metric["metric_name"] for metric in registry.metrics]
    clashes = [(a, b) for names in (attributes, metrics) for a in names for b in names if b.startswith(f"{a}.")]

    assert clashes + [(m, a) for m in metrics for a in attributes if a.startswith(f"{m}.")] == []


def test_the_core_is_a_file_that_needs_no_other_of_ours() -> None:
    file = generator().PACKAGE / "registry" / generator().CORE
    groups = yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
    defined = {attribute["id"] for group in groups for attribute in group["attributes"] if "id" in attribute}
    referred = {attribute["ref"] for group in groups for attribute in group["attributes"] if "ref" in attribute}

    named = {group.get("metric_name") or group.get("name") or group["id"] for group in groups[1:]}

    assert defined | named == CORE
    assert referred - defined == {"error.type"}
    assert "driftline" not in "".join(file.read_text(encoding="utf-8").lower().split("groups:")[1:])


@cache
def emitted_by(who: str) -> set[str]:
    """Return the constants of the metrics that the SDK, or the processor, sends."""
    found = [metric for metric in generator().read().metrics if metric["annotations"]["emitter"] == who]
    return {generator().constant(metric["metric_name"]) for metric in found}


def metrics_named(nodes: Sequence[ast.AST]) -> set[str]:
    """Return the constants of metrics that a piece of code names: ``m.X`` and ``metrics.X``."""
    known = constants(metrics)
    return {node.attr for node in nodes if isinstance(node, ast.Attribute) and node.attr in known}


def metrics_sent(nodes: Sequence[ast.AST]) -> set[str]:
    """Return the metrics of which a piece of code makes a point or raises a counter.

    A metric is read by comparison or by look-up; to be sent, its name is passed to a call, or leads a tuple.
    """
    known = constants(metrics)
    compared = {id(part) for node in nodes if isinstance(node, ast.Compare) for part in (node.left, *node.comparators)}
    found: set[str] = set()
    for node in nodes:
        parts = node.args if isinstance(node, ast.Call) else node.elts[:1] if isinstance(node, ast.Tuple) else []
        if id(node) not in compared:
            found |= {part.attr for part in parts if isinstance(part, ast.Attribute) and part.attr in known}
    return found


def test_every_metric_has_one_sender() -> None:
    """Two senders under one name double every sum: what both say of a thing is two metrics."""
    sdk = [module for module in modules() if within(module.name, "driftline", "driftline_integrations")]
    sdk = [module for module in sdk if not within(module.name, "driftline.semconv", "driftline.testing")]
    reading = ("driftline_processor.core.decode",)
    rest = [module for module in modules() if within(module.name, "driftline_processor")]
    sent = {module.name: metrics_sent(module.nodes) for module in rest if not within(module.name, *reading)}

    assert set().union(*(metrics_named(module.nodes) for module in sdk)) == emitted_by("sdk")
    assert {name: found & emitted_by("sdk") for name, found in sent.items() if found & emitted_by("sdk")} == {}
    assert emitted_by("processor") - set().union(*sent.values()) == set()


def test_the_search_for_senders_tells_reading_from_sending() -> None:
    reads = (
        "a = point.metric == m.ML_PREDICTIONS or point.metric in (m.ML_PREDICTIONS, m.DRIFTLINE_FEATURE_DISTRIBUTION)"
    )
    sends = "yield Point(m.DRIFTLINE_OUTCOMES, (), 1.0)\nyield m.DRIFTLINE_DRIFT_VALUE, {}, 2.0\n"
    sends += "x = {(m.DRIFTLINE_DRIFT_STATUS, ()): 1.0}"
    assert metrics_sent([*ast.walk(ast.parse(reads))]) == set()
    assert metrics_sent([*ast.walk(ast.parse(sends))]) == {
        "DRIFTLINE_OUTCOMES",
        "DRIFTLINE_DRIFT_VALUE",
        "DRIFTLINE_DRIFT_STATUS",
    }


STATES = (State, ConceptState, Standing, Judgement, BaselineComparison, VersionVerdict, VerdictState)


@pytest.mark.parametrize(
    ("attribute", "values"),
    [
        ("driftline.state", tuple(dict.fromkeys(chain.from_iterable(map(get_args, STATES))))),
        ("driftline.signal", get_args(Signal)),
        ("ml.model.task", tuple(KINDS)),
        ("driftline.quality.check", tuple(CHECKS)),
    ],
)
def test_the_values_in_the_registry_are_those_of_the_code(attribute: str, values: tuple[str, ...]) -> None:
    found = next(entry for entry in generator().read().attributes() if entry["id"] == attribute)
    assert tuple(member["value"] for member in found["type"]["members"]) == values


def literals(module: Module) -> Iterator[tuple[str, int]]:
    """Yield every text or bytes literal that is not a docstring, and its line."""
    docstrings = {id(node.value) for node in module.nodes if isinstance(node, ast.Expr)}
    for node in module.nodes:
        if isinstance(node, ast.Constant) and id(node) not in docstrings:
            if isinstance(node.value, str):
                yield node.value, node.lineno
            elif isinstance(node.value, bytes):
                yield node.value.decode("latin-1"), node.lineno


def is_telemetry_name(text: str) -> bool:
    """Tell whether a literal is a telemetry name, or the beginning of one to which an f-string adds the rest."""
    if re.fullmatch(r"ml\.[a-z_.]+", text):
        return True
    bare = text.removesuffix(".")
    return bare in PROMETHEUS or ("." in bare and bare in REGISTERED)


def test_no_telemetry_name_is_written_outside_the_registry() -> None:
    ours = [module for module in modules() if not within(module.name, "driftline.semconv")]
    assert ours
    assert [
        f"{module.name}:{line}: {text!r}"
        for module in ours
        for text, line in literals(module)
        if is_telemetry_name(text)
    ] == []


def test_no_name_is_registered_that_nothing_sends_or_reads() -> None:
    ours = [module for module in modules() if not within(module.name, "driftline.semconv")]
    used = {node.attr for module in ours for node in module.nodes if isinstance(node, ast.Attribute)}
    assert [key for part in (attributes, events, metrics) for key in constants(part) if key not in used] == []


def test_the_open_window_is_shown_and_never_evaluated() -> None:
    key = "DRIFTLINE_DRIFT_OPEN_WINDOW_VALUE"
    users = {
        module.name
        for module in modules()
        if any(isinstance(node, ast.Attribute) and node.attr == key for node in module.nodes)
    }
    assert users == {"driftline_processor.exporters.derived_metrics"}
    rules = (ROOT / "otel-config/driftline.rules.yml").read_text(encoding="utf-8")
    assert metrics.INSTRUMENTS[metrics.DRIFTLINE_DRIFT_STATUS].prometheus in rules
    assert metrics.INSTRUMENTS[metrics.DRIFTLINE_DRIFT_OPEN_WINDOW_VALUE].prometheus not in rules


def test_the_search_for_literals_finds_names_in_f_strings_and_bytes(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text(
        "'''ml.model.name'''\nx = f'driftline.feature.value.{y}', b'driftline.window', 'driftline.yaml', 'ml'"
        "\ny = 'driftline_drift_value'"
    )
    found = [text for text, _ in literals(Module("x", file)) if is_telemetry_name(text)]
    assert found == ["driftline_drift_value", "driftline.window", "driftline.feature.value."]
