"""Each scenario has its folder of examples, whose configuration is valid and whose page tells all that it declares."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from driftline_processor.cli.commands import app
from driftline_processor.config.policies import DEFAULT_POLICY
from driftline_processor.config.schema import load
from driftline_processor.core.policy.condition import VerdictIs
from typer.testing import CliRunner

from simulations.alerts import QUIET_RULES
from tests.support.paths import ROOT

EXAMPLES = ROOT / "examples"
SCENARIOS = range(1, 16)
FOLDERS = sorted(path for path in EXAMPLES.iterdir() if re.match(r"\d\d-", path.name))
VARIABLE = re.compile(r"\$\{env:(\w+)")

RUNNING = [folder for folder in FOLDERS if (folder / "play.py").exists()]

of_each = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


def page(folder: Path) -> str:
    return (folder / "README.md").read_text(encoding="utf-8")


def title(folder: Path) -> str:
    return page(folder).splitlines()[0]


def test_every_scenario_has_a_folder() -> None:
    assert [int(folder.name[:2]) for folder in FOLDERS] == [*SCENARIOS]


def test_the_index_names_every_scenario_by_its_title() -> None:
    index = re.findall(r"^\| \[(\d+)\]\(([\w-]+)/\) (.+?) \|", page(EXAMPLES), re.MULTILINE)
    assert [f"# {number}. {name}" for number, _, name in index] == [title(folder) for folder in FOLDERS]
    assert [folder for _, folder, _ in index] == [folder.name for folder in FOLDERS]


@of_each
def test_its_configuration_is_valid(folder: Path) -> None:
    validated = CliRunner().invoke(app, ["validate", str(folder / "driftline.yaml")])
    assert validated.output == f"{folder / 'driftline.yaml'}: the configuration is valid\n"
    assert validated.exit_code == 0


@of_each
def test_its_page_names_each_policy_and_action(folder: Path) -> None:
    config, said = load(folder / "driftline.yaml"), page(folder)
    declared = {*config.policies, *config.actions} - {DEFAULT_POLICY}
    assert declared
    assert [name for name in sorted(declared) if not re.search(rf"[`\s]{re.escape(name)}[`,\s]", said)] == []


@of_each
def test_its_page_lists_the_variables_that_its_configuration_reads(folder: Path) -> None:
    read = VARIABLE.findall((folder / "driftline.yaml").read_text(encoding="utf-8"))
    listed = re.findall(r"^\| `([A-Z_]+)` \|", page(folder), re.MULTILINE)
    assert {*listed} == {*read}


@of_each
def test_somebody_is_told_of_each_model_that_falls_silent(folder: Path) -> None:
    config = load(folder / "driftline.yaml")
    tells = [one for one in config.policies.values() if one.enabled and (one.notify or config.notify)]
    of_silence = [one for one in tells if isinstance(one.condition, VerdictIs) and "no_data" in one.condition.states]
    models = {name: model.tier for name, model in config.models.items()}
    assert models
    assert [name for name, tier in models.items() if not any(one.covers(name, tier) for one in of_silence)] == []


@pytest.mark.parametrize(("number", "models"), [(3, 52), (6, 54), (15, 21)])
def test_a_fleet_has_as_many_models_as_its_page_says(number: int, models: int) -> None:
    folder = FOLDERS[number - 1]
    assert len(load(folder / "driftline.yaml").models) == models
    assert re.search(rf"^{models} ", page(folder), re.MULTILINE)


def test_the_false_alarms_of_scenario_7_are_those_that_were_simulated() -> None:
    rows = re.findall(r"^\| `(rule-[\w-]+)` \|(?:[^|]*\|){2} (.+?) \| (.+?) \|$", _simulated(), re.MULTILINE)
    holds, alarms = ({name: row[at] for name, *row in rows} for at in (0, 1))
    said = page(FOLDERS[6])
    assert f"**{holds['rule-alone']} of quiet days**" in said
    assert f"| nothing else | {alarms['rule-alone']} |" in said
    assert f"| `in_a_row: 2` | {alarms['rule-two']} |" in said
    assert f"| `significant: true` | {alarms['rule-significant']}; but {alarms['rule-days-significant']} if" in said
    assert float(alarms["rule-both"]) <= float(alarms["rule-days-both"]) < 0.1


def _simulated() -> str:
    return QUIET_RULES.printed()


@pytest.mark.parametrize("folder", RUNNING, ids=lambda folder: folder.name)
def test_a_page_of_an_example_that_runs_has_its_command_its_picture_and_what_it_saw(folder: Path) -> None:
    said = page(folder)
    assert f"```bash\nmake example NN={int(folder.name[:2])}\n" in said
    assert re.search(r"^!\[.+\]\(result\.png\)$", said, re.MULTILINE)
    assert (folder / "result.png").stat().st_size < 150_000
    assert " ✓ " in said
    assert " ✗ " not in said


@pytest.mark.parametrize("folder", RUNNING, ids=lambda folder: folder.name)
def test_the_lines_of_driftline_are_marked_in_the_source(folder: Path) -> None:
    marked = [file.name for file in folder.glob("*.py") if "# Driftline" in file.read_text(encoding="utf-8")]
    assert [name for name in marked if name not in ("play.py", "simulator.py")]
