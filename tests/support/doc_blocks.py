"""What each block of a documentation page is checked with, by its language.

Python runs, in order, in one namespace per page. Commands of `driftline` whose files are in the repository run; all
others are parsed with their options. A configuration is loaded. `text` is output.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import typer.main
import yaml
from driftline_processor.cli.commands import app
from driftline_processor.config.schema import Config, ConfigError, load
from sybil import Document, Example, Region
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer
from typer.testing import CliRunner

from tests.support.paths import ROOT

RUN = ("evaluate", "baseline")
"""Commands that read files and end."""

OUTPUT = {"text", "mermaid", "promql", "sql", "diff"}
"""Languages that are not checked here: output, pictures, and what another program reads."""

_FENCE = re.compile(r"(?P<language>[\w+-]*)[^\n]*$\n", re.MULTILINE)
_KEYS = set(Config.model_fields)
_ABSENT = re.compile("there is no file|No such file or directory")
_SECRETS = {
    "SLACK": "T12345678/B12345678/abcdefghijklmnopqrstuvwx",
    "ENDPOINT": "https://otlp.example.com",
    "URL": "https://example.com",
    "KEY": "0123456789abcdef0123456789abcdef",
    "MAIL": "user:secret@example.com",
    "PORT": "8080",
}
_EXPORTERS = {"otlp_grpc", "otlp_http", "otlp", "prometheus", "forward"}


def parse_blocks(document: Document) -> Iterator[Region]:
    """Yield all blocks but those of Python, which Sybil runs itself."""
    for region in RawFencedCodeBlockLexer(_FENCE)(document):
        if region.lexemes["language"] != "python":
            region.parsed = region.lexemes["source"]
            region.evaluator = evaluate_block
            yield region


def evaluate_block(example: Example) -> str | None:
    """Return what is wrong with a block; None = nothing."""
    language = example.region.lexemes["language"]
    if language in OUTPUT:
        return None
    check = _CHECKS.get(language)
    if check is None:
        return f"no check for the language '{language}'; output is marked as text"
    return check(str(example.parsed))


def _yaml(text: str) -> str | None:
    documents = list(yaml.safe_load_all(text))
    if len(documents) != 1 or not is_configuration(documents[0]):
        return None  # a file of another program, or only a part of one
    file = Path("driftline.yaml")
    file.write_text(text, encoding="utf-8")
    secrets = {name: _secret(name) for name in re.findall(r"\$\{env:(\w+)\}", text)}
    try:
        with mock.patch.dict(os.environ, secrets):
            load(file)
    except ConfigError as error:  # files that the reader has are not here
        problems = [line for line in str(error).splitlines() if not _ABSENT.search(line)]
        return "; ".join(problems) or None
    return None


def _secret(name: str) -> str:
    """Return a value of an environment variable that has the form of the real one."""
    return next((value for part, value in _SECRETS.items() if part in name), "secret")


def is_configuration(found: object) -> bool:
    """Return True for a `driftline.yaml`, whose keys partly are those of a Collector."""
    if not isinstance(found, dict) or not _KEYS.issuperset(found):
        return False
    exporters = [*(found.get("exporters") or {})]
    return all(name.split("/")[0] in _EXPORTERS for name in exporters)


def _json(text: str) -> str | None:
    for line in [text] if text.lstrip().startswith(("{\n", "[\n")) else text.splitlines():
        json.loads(line)
    return None


def _toml(text: str) -> str | None:
    tomllib.loads(text)
    return None


def _bash(text: str) -> str | None:
    problems = [problem for words in commands_of(text) if (problem := check_command(words))]
    return "; ".join(problems) or None


def commands_of(text: str) -> Iterator[list[str]]:
    """Yield the commands of a block as words, without comments, assignments, pipes and redirections."""
    open_line = ""
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(open_line + line, posix=True, punctuation_chars="|&;<>()")
        lexer.whitespace_split = True
        try:
            read = list(lexer)
        except ValueError:  # a quotation of several lines
            open_line += f"{line}\n"
            continue
        open_line, words = "", list[str]()
        for word in read:
            if word and set(word) <= set("|&;()"):
                yield words
                words = []
            elif words or "=" not in word.split("/")[0]:
                words.append(word)
        yield words


def check_command(words: list[str]) -> str | None:
    """Return what is wrong with a command of `driftline` or `make`."""
    words = words[: next((index for index, word in enumerate(words) if set(word) <= set("<>")), len(words))]
    if words[:1] == ["make"]:
        targets = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
        unknown = [word for word in words[1:] if "=" not in word and word not in targets]
        return f"make has no target {unknown[0]}" if unknown else None
    if words[:1] != ["driftline"] or "--help" in words:
        return None
    arguments = words[1:]
    try:
        _parse(typer.main.get_command(app), arguments)
    except Exception as error:
        if not hasattr(error, "format_message"):  # the exceptions of the click that typer contains
            raise
        return f"driftline {' '.join(arguments)}: {error.format_message()}"
    files = [word for word in arguments if re.search(r"\.(parquet|csv|jsonl?|ya?ml|db)$", word) and "://" not in word]
    if arguments[0] in RUN and arguments[1:2] != ["push"] and files and all(Path(file).exists() for file in files[:1]):
        done = CliRunner().invoke(app, arguments)
        return None if done.exit_code in (0, 3) else f"driftline {' '.join(arguments)}: {done.output[-500:]}"
    return None


def _parse(command: Any, arguments: list[str]) -> None:
    """Parse the arguments of a command and its subcommands; run nothing."""
    context = command.make_context("driftline", list(arguments))
    while hasattr(command, "commands"):
        rest = [*getattr(context, "_protected_args", []), *context.args]
        if not rest:
            return
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)


_CHECKS: dict[str, Callable[[str], str | None]] = {
    "yaml": _yaml,
    "json": _json,
    "jsonl": _json,
    "toml": _toml,
    "bash": _bash,
    **dict.fromkeys(
        ("dockerfile", "ini", "html", "go", "java", "js", "javascript", "xml", "http", "protobuf"), lambda _text: None
    ),
}
"""Those without a check here are run by tests of their own."""
