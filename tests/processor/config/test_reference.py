"""Every key of driftline.yaml describes itself, and its page and its annotated example say the same."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args

import pytest
import yaml
from driftline_processor.config.business import business_source
from driftline_processor.config.kinds import BUSINESS_SOURCES, RECEIVERS, installed
from driftline_processor.config.schema import Config, validate_file
from driftline_processor.config.section import Problem, Section
from driftline_processor.config.yaml_loader import parse_yaml
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from tests.support.paths import ROOT

ANNOTATED = ROOT / "otel-config/driftline.yaml"
PAGE = ROOT / "docs/reference/configuration.md"
GENERATOR = ROOT / "scripts/generate_configuration.py"


def sections(annotation: object) -> Iterator[type[Section]]:
    """Yield the sections at and below a type."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
        for field in annotation.model_fields.values():
            yield from sections(field.annotation)
    for part in get_args(annotation):
        yield from sections(part)


ROOTS = (
    Config,
    *(RECEIVERS.find(kind) for kind in RECEIVERS.names()),
    *(business_source(kind) for kind in installed(BUSINESS_SOURCES)),
)

FIELDS = {
    f"{section.__name__}.{name}": field
    for section in dict.fromkeys(section for root in ROOTS for section in sections(root))
    for name, field in section.model_fields.items()
    if name not in ("sources", "named")
}


def holds_sections(field: FieldInfo) -> bool:
    return any(True for _ in sections(field.annotation))


@pytest.mark.parametrize("key", FIELDS)
def test_a_key_has_a_description_in_sentences(key: str) -> None:
    said = FIELDS[key].description or ""
    assert re.fullmatch(r"[A-Z`\[].*\.", said), said


@pytest.mark.parametrize("key", [key for key, field in FIELDS.items() if not holds_sections(field)])
def test_the_examples_of_a_key_are_taken(key: str, tmp_path: Path) -> None:
    field = FIELDS[key]
    described: Any = Annotated[field.annotation, *field.metadata, "its rules"]
    adapter: TypeAdapter[Any] = TypeAdapter(described)
    assert field.examples
    for example in field.examples:
        problems: list[Problem] = []
        written = parse_yaml(f"value: {example}", {"KAFKA_PASSWORD": "x"}, problems)
        assert isinstance(written, dict)
        assert problems == []
        adapter.validate_python(written["value"], context={"folder": tmp_path})


def test_the_annotated_configuration_is_accepted() -> None:
    assert [*map(str, validate_file(ANNOTATED))] == []


def test_the_annotated_configuration_shows_every_key() -> None:
    text = ANNOTATED.read_text(encoding="utf-8")
    keys = dict.fromkeys(key.partition(".")[2] for key in FIELDS)
    assert [key for key in keys if not re.search(rf"\b{key}[:/]", text)] == []


def test_without_its_comment_marks_the_annotated_configuration_is_yaml_of_known_keys(tmp_path: Path) -> None:
    lines = ANNOTATED.read_text(encoding="utf-8").splitlines()
    key = re.compile(r"^( *)((?:# )+)( *[\w./]+:(?: .*)?)$")
    names = {name.partition(".")[2] for name in FIELDS} | {"kafka/labels"}
    said = []
    for line in lines:
        found = key.match(line)
        keeps = found is not None and found[3].partition(":")[0].strip() in names
        said.append(f"{found[1]}{found[3]}" if found is not None and keeps else line)
    (tmp_path / "driftline.yaml").write_text("\n".join(said))
    assert isinstance(yaml.safe_load("\n".join(said)), dict)
    assert not [one for one in [*map(str, validate_file(tmp_path / "driftline.yaml"))] if "no such key" in one]


def test_every_key_is_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    keys = {key.partition(".")[2] for key, field in FIELDS.items() if not holds_sections(field)}
    assert [key for key in sorted(keys) if not re.search(rf"^\| `(?:\w+\.)*{key}` \|", page, re.M)] == []


@pytest.mark.slow
def test_a_page_that_says_something_else_fails(tmp_path: Path) -> None:
    for path in (PAGE, ANNOTATED, GENERATOR, GENERATOR.with_name("generated.py")):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    check = [sys.executable, "-m", "scripts.generate_configuration", "--check"]
    assert subprocess.run(check, cwd=tmp_path, capture_output=True, text=True, check=False).returncode == 0
    (tmp_path / PAGE.relative_to(ROOT)).write_text("other")
    wrong = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stdout) == (
        1,
        "docs/reference/configuration.md is not what the keys say; run: python -m scripts.generate_configuration\n",
    )
