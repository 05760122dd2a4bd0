"""An option of an evaluation is one field: commands, the function of Python and its documentation are made from it."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated

import driftline
import pytest
import typer
from driftline_processor.cli.option_parameters import takes_options
from driftline_processor.config.model import Model
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.notebook import evaluate as notebook
from driftline_processor.readers.column_options import ColumnOptions, Option, options_of
from driftline_processor.readers.errors import BadInput, about_option, arguments_of_python, option_text
from typer.testing import CliRunner

from scripts.generate_options import MODULE, main, with_options
from tests.support.churn_files import Run


class WiderOptions(EvaluationOptions, frozen=True, kw_only=True):
    tenant: Annotated[str, Option("Column of the tenant", "COL")] = ""
    labels: Annotated[tuple[str, ...], Option("Labels of the report", "NAME", repeated=True)] = ()


def test_a_new_field_is_an_option_of_the_command() -> None:
    received: list[WiderOptions] = []

    def command(*, options: WiderOptions) -> None:
        received.append(options)

    command.__annotations__ = {"options": WiderOptions, "return": None}
    app = typer.Typer()
    app.command()(takes_options(command))
    arguments = ["--tenant", "shop", "--labels", "a,b", "--labels", "c", "--score", "low, high"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    [options] = received
    assert (options.tenant, options.labels, options.score) == ("shop", ("a,b", "c"), ("low", "high"))


def test_a_new_field_is_an_argument_of_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "EvaluationOptions", WiderOptions)
    monkeypatch.setattr(notebook, "_OPTIONS", options_of(WiderOptions))
    options = notebook.read_options({"tenant": "shop", "labels": "a,b"})
    assert isinstance(options, WiderOptions)
    assert (options.tenant, options.labels) == ("shop", ("a,b",))


def test_a_new_field_is_in_the_signature_and_the_docstring_of_the_function() -> None:
    source = with_options(MODULE.read_text(encoding="utf-8"), options_of(WiderOptions).values())
    assert '    tenant: str = "",\n    labels: Names = (),\n' in source
    assert "        tenant: Column of the tenant.\n" in source
    assert main(["--check"]) == 0


def test_the_command_and_the_function_have_the_same_options(run: Run) -> None:
    offered = options_of(EvaluationOptions)
    arguments = set(inspect.signature(driftline.evaluate).parameters)
    assert set(offered) == arguments - {"current", "baseline", "outcomes", "champion", "progress", "unknown"}
    shown = run("evaluate", "--help").stdout.split()
    assert {f"--{name.replace('_', '-')}" for name in offered} <= set(shown)


def test_a_key_of_a_configuration_that_is_an_option_has_its_name() -> None:
    shared = set(options_of(ColumnOptions)) & set(Model.model_fields)
    assert shared == {
        "task", "classes", "positive_class", "threshold", "quantiles", "slices", "seasonality", "timezone", "cluster",
        "features",  # settings of features by name
    }  # fmt: skip


def test_a_value_of_another_type_is_refused_with_the_name_of_its_argument() -> None:
    for name, value in {"window": 5, "window_rows": "ten", "score": [1], "exact": "yes", "threshold": "half"}.items():
        with pytest.raises(TypeError, match=f"{name}="):
            notebook.read_options({name: value})
    assert notebook.read_options({"config": "driftline.yaml"}).config == Path("driftline.yaml")


def test_an_error_names_the_field_and_each_user_reads_it_as_written() -> None:
    error = BadInput("no such column", "text_features")
    assert (error.option, error.problem) == ("text_features", "no such column")
    assert str(error).startswith("--text-features: ")
    with arguments_of_python():
        assert str(BadInput("no such column", "text_features")).startswith("text_features: ")
        assert option_text("window", "1d") == 'window="1d"'
    assert option_text("window", "1d") == "--window 1d"
    assert about_option("window", "too short").startswith("--window: ")
