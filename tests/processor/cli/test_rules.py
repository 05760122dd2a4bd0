"""`driftline rules` writes files that stay as people filled them, and says what it leaves out."""

from __future__ import annotations

from pathlib import Path

import yaml
from driftline_processor.cli.commands import app
from typer.testing import CliRunner

FILES = ["driftline.rules.yml", "driftline.models.rules.yml", "alertmanager.yml"]
TEXT = """\
notify: json://127.0.0.1:1/
models:
  churn: {team: payments, tier: 1, performance: {objectives: ["precision >= 0.95", "mae <= 3"]}}
policies: {faulty: {when: data faulty}}
"""


def test_files_are_written_and_what_is_left_out_is_said(tmp_path: Path) -> None:
    config, output = tmp_path / "driftline.yaml", tmp_path / "new" / "rules"
    config.write_text(TEXT, encoding="utf-8")

    ran = CliRunner().invoke(app, ["rules", "--config", str(config), "-o", str(output)])

    assert ran.exit_code == 0, ran.output
    assert ran.stdout.splitlines() == [str(output / name) for name in FILES]
    assert sorted(path.name for path in output.iterdir()) == sorted(FILES)
    keys = ["models.churn.performance.objectives", "policies.faulty.when"]
    assert [line.split(": ")[1] for line in ran.stderr.splitlines()] == keys


def test_receivers_stay_filled(tmp_path: Path) -> None:
    config = tmp_path / "driftline.yaml"
    config.write_text(TEXT, encoding="utf-8")
    hook = {"name": "payments page", "webhook_configs": [{"url": "http://127.0.0.1:1/"}]}
    (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump({"receivers": [hook]}), encoding="utf-8")

    ran = CliRunner().invoke(app, ["rules", "--config", str(config), "-o", str(tmp_path)])

    assert ran.exit_code == 0, ran.output
    assert hook in yaml.safe_load((tmp_path / "alertmanager.yml").read_text(encoding="utf-8"))["receivers"]


def test_a_wrong_configuration_names_the_key_and_the_fix(tmp_path: Path) -> None:
    config = tmp_path / "driftline.yaml"
    config.write_text("policies: {p: {when: acuracy < 85 %}}", encoding="utf-8")

    ran = CliRunner().invoke(app, ["rules", "--config", str(config), "-o", str(tmp_path / "out")])

    assert ran.exit_code == 2
    assert "policies.p.when" in ran.stderr
    assert "did you mean 'accuracy'" in ran.stderr
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    config, output = tmp_path / "driftline.yaml", tmp_path / "file"
    config.write_text(TEXT, encoding="utf-8")
    output.write_text("", encoding="utf-8")

    ran = CliRunner().invoke(app, ["rules", "--config", str(config), "-o", str(output)])

    assert ran.exit_code == 2
    assert f"{output}: cannot be written: " in ran.stderr


def test_routes_that_are_no_yaml_are_not_written_over(tmp_path: Path) -> None:
    config, routes = tmp_path / "driftline.yaml", tmp_path / "alertmanager.yml"
    config.write_text(TEXT, encoding="utf-8")
    routes.write_text("receivers: [", encoding="utf-8")

    ran = CliRunner().invoke(app, ["rules", "--config", str(config), "-o", str(tmp_path)])

    assert ran.exit_code == 2
    assert f"{routes}: is not YAML" in ran.stderr
    assert routes.read_text(encoding="utf-8") == "receivers: ["
    assert not (tmp_path / "driftline.rules.yml").exists()
