"""What ``import driftline`` and ``driftline up`` load: nobody pays for what is not used yet."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import driftline

from tests.support.paths import ROOT

from .modules import loaded_by

HEAVY = {
    *("driftline_processor", "numpy", "scipy", "pandas", "pyarrow", "torch", "sklearn", "duckdb", "pydantic"),
    *("grpc", "google.protobuf", "opentelemetry.exporter", "opentelemetry.proto", "requests", "yaml"),
}


def test_importing_driftline_loads_nothing_heavy() -> None:
    assert loaded_by("import driftline") & HEAVY == set()


def test_what_there_is_is_listed_before_it_is_loaded() -> None:
    public = "[name for name in dir(driftline) if not name.startswith('_')]"
    code = f"import driftline, sys; print(*{public}, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *listed, numpy = done.stdout.split()

    assert numpy == "False"
    assert set(driftline.__all__) <= set(listed)


def test_importing_the_telemetry_names_loads_nothing_heavy() -> None:
    assert loaded_by("from driftline.semconv import attributes, events, metrics") & HEAVY == set()


FIRST_MODEL = "import driftline; churn = driftline.Model('churn', task='binary')"
MOST_MODULES = 68
"""Modules of the SDK that a first model may load: half of what one loaded when this was measured."""


def sdk_modules(statement: str) -> set[str]:
    return {name for name in loaded_by(statement) if name.partition(".")[0] == "driftline"}


def test_a_model_without_a_baseline_loads_the_light_half_of_the_sdk() -> None:
    loaded = sdk_modules(FIRST_MODEL)

    assert "driftline.export.pipeline" in loaded
    assert len(loaded) <= MOST_MODULES, sorted(loaded)
    rooms = {name.split(".")[1] for name in loaded if "." in name}
    assert rooms & {"baseline", "batch", "distributions", "integration", "outcomes"} == set()
    assert "driftline.panes.fold" not in loaded


def test_a_call_with_a_mapping_loads_no_reader_of_another_library() -> None:
    call = f"{FIRST_MODEL}; churn.predict(lambda row: 0.25)({{'age': 31}})"
    others = {f"driftline.inputs.{name}" for name in ("array", "arrow", "pandas", "polars", "sparse", "tensor")}

    assert sdk_modules(call) & others == set()


NEVER_BY_DEFAULT = {"pandas", "sklearn", "scipy.stats", "scipy.optimize", "river"}
"""Libraries of which neither the service nor an evaluation of files takes anything."""


AFTER_THE_START = {
    *("scipy", "numpy.f2py", "numpy.ma", "jinja2", "markdown_it", "prometheus_client", "confluent_kafka", "apprise"),
    *("pyarrow.compute", "pyarrow.parquet"),
    *("driftline_processor.web.page", "driftline_processor.web.app", "driftline_processor.evaluation.files.evaluate"),
}
"""What the service loads when it runs: special functions with the first evaluation, and the pages once it is ready."""


def test_the_service_starts_without_pages_and_special_functions() -> None:
    loaded = loaded_by("import driftline_processor.service")

    assert "numpy" in loaded
    assert loaded & (NEVER_BY_DEFAULT | AFTER_THE_START) == set()


def loaded_by_evaluate(*options: str) -> set[str]:
    files = ROOT / "examples/two_files"
    command = [str(files / "lastweek.parquet"), "--baseline", str(files / "reference.parquet"), *options]
    statement = "from driftline_processor.cli import main\nimport contextlib, io, sys"
    statement += f"\nsys.argv = {['driftline', 'evaluate', *command]!r}"
    statement += "\nwith contextlib.redirect_stdout(io.StringIO()) as output, contextlib.suppress(SystemExit): main()"
    statement += "\nassert 'pressure' in output.getvalue(), output.getvalue()"
    return loaded_by(statement)


OF_NO_EVALUATION = {
    *("scipy.special", "scipy.optimize", "numpy.f2py", "rich.progress", "yaml", "duckdb", "grpc"),
    *("starlette", "uvicorn", "httpx", "jinja2", "driftline_processor.service", "driftline_processor.store"),
}
"""What an evaluation of files does without: of scipy the compiled functions alone, and no library of the service."""


def test_an_evaluation_of_files_loads_nothing_of_the_service() -> None:
    loaded = loaded_by_evaluate("--window", "1d")

    assert {"driftline_processor.core.judge_window", "scipy.special._ufuncs"} <= loaded
    assert loaded & (NEVER_BY_DEFAULT | OF_NO_EVALUATION) == set()


def test_of_all_commands_only_the_one_that_is_named_is_built() -> None:
    from driftline_processor.cli.commands import app, application

    single = application(["evaluate", "--help"])

    assert [command.callback.__name__ for command in single.registered_commands if command.callback] == ["evaluate"]
    assert single.registered_groups == []
    assert application(["evalute"]) is application([]) is app


def test_the_package_of_special_functions_can_be_loaded_after_its_compiled_functions() -> None:
    statement = """
from driftline_processor.core import special_functions as lazy
lazy.ndtr(0.5)
import sys
assert "scipy.special" not in sys.modules and lazy.ndtr(0.0) == 0.5
from scipy import special, optimize, stats
functions = [value for value in vars(lazy).values() if isinstance(value, lazy.SpecialFunction)]
compiled = [getattr(lazy._compiled(), function.compiled) for function in functions]
assert [f for f, own in zip(functions, compiled) if f.name == f.compiled and own is not getattr(special, f.name)] == []
assert lazy.zeta(2.0, 0.5) == special.zeta(2.0, 0.5) == special.polygamma(1, 0.5)
"""
    assert "scipy.stats" in loaded_by(statement)


def test_the_answer_about_files_loads_no_library_of_models() -> None:
    loaded = loaded_by_evaluate("--task", "binary", "--actual", "late")

    assert "driftline_processor.core.judge_window" in loaded
    assert loaded & (NEVER_BY_DEFAULT - {"scipy.optimize"}) == set()


def test_a_report_of_files_loads_neither_pandas_nor_what_draws() -> None:
    files = [str(ROOT / "examples/two_files" / name) for name in ("lastweek.parquet", "reference.parquet")]
    statement = f"import driftline\nreport = driftline.evaluate(*{files!r})"
    loaded = loaded_by(f"{statement}\nassert 'driftline-report' in report._repr_html_()")

    assert "driftline_processor.notebook.page" in loaded
    assert loaded & (NEVER_BY_DEFAULT - {"scipy.optimize"}) == set()


EXTRAS = [
    "driftline_processor",
    "duckdb",
    "fastapi",
    "httpx",
    "jinja2",
    "pandas",
    "pyarrow",
    "pydantic",
    "rich",
    "scipy",
]
EXTRAS += ["sklearn", "starlette", "typer", "uvicorn", "xxhash", "yaml"]

BARE_INSTALL = """
import sys
sys.modules.update(dict.fromkeys({extras}))  # each of them now fails to import

import driftline
import numpy as np

reference = np.linspace(0.0, 1.0, 200)
baseline = driftline.Baseline.from_frame(
    {{"amount": reference}}, score=reference, actual=reference > 0.5, model="churn", task="binary"
)
churn = driftline.Model("churn", task="binary", baseline=baseline)

@churn.predict(id="order")
def score(row):
    return row["amount"] / 2

@churn.predict
def score_many(rows):
    return rows[:, 0]

print(score({{"order": "A-1", "amount": 0.5}}), score_many(np.array([[0.25], [0.75]])).tolist())
churn.outcome("A-1", actual=1)
driftline.shutdown()
"""


def test_predicting_needs_nothing_but_the_bare_install() -> None:
    environment = {**os.environ, "DRIFTLINE_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"}
    code = BARE_INSTALL.format(extras=EXTRAS)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout) == (0, "0.25 [0.25, 0.75]\n"), done.stderr
    assert "internal error" not in done.stderr


EVERY_FAMILY = """
receivers: {kafka/labels: {brokers: "b:9092", topics: labels}}
channels: {team: "slack://xoxb-1-a/#models", oncall: "pagerduty://key1"}
actions: {jira/a: {url: "https://h", project: PAY, token: none}, cloudevents/a: {brokers: "b:1", topic: x}}
exporters: {otlp_http/a: {endpoint: "http://h:9", derived: [metrics]}, otlp_grpc/b: {endpoint: "h:1", derived: [logs]}}
business: {revenue: {model: churn, sql: {url: "sqlite:///x.db", query: "SELECT 1 AS time, 2 AS value"}}}
"""
HEAVY = {"apprise", "confluent_kafka", "duckdb", "grpc", "httpx", "sqlalchemy", "starlette", "uvicorn"}


def test_reading_a_configuration_loads_no_library_of_its_kinds(tmp_path: Path) -> None:
    file = tmp_path / "driftline.yaml"
    file.write_text(EVERY_FAMILY)
    loaded = loaded_by(f"from driftline_processor.config.schema import load; load({str(file)!r})")
    assert "driftline_processor.policy.actions.jira" in loaded
    assert not loaded & {"driftline_processor.policy.actions.github", *HEAVY}
