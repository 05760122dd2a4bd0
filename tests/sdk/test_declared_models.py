"""The TOML file of a program without code of ours: its models are made as it says, and its mistakes are named."""

from __future__ import annotations

import inspect
from pathlib import Path

import driftline
import numpy as np
import pytest
from driftline import declared_models
from driftline.declared_models import contents_of, declared, read_declarations

from tests.support.facts import Facts, lacking


def read(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "driftline.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_models_are_made_as_the_file_says(tmp_path: Path) -> None:
    reference = np.linspace(0.0, 1.0, 200)
    baseline = driftline.Baseline.from_frame(
        {"amount": reference}, score=reference, actual=reference > 0.5, model="churn", task="binary"
    )
    baseline.save(tmp_path / "churn.baseline.json")
    path = read(
        tmp_path,
        """
        [models.churn]
        version = "2026-11-01"
        baseline = "churn.baseline.json"
        estimator = "sklearn.pipeline.Pipeline"
        outcomes = "/outcomes"

        [models.churn.privacy]
        deny = ["ssn", "*email*"]
        round = { income = 1000 }

        [models.churn.routes."POST /predict"]
        score = "probability"

        [models.kind]
        task = "multiclass"
        classes = ["cat", "dog", 3]
        capture = "scores"
        feature_names = ["weight"]
        """,
    )

    file = contents_of(str(path))

    churn, kind = file.declared
    assert (file.mistakes, file.left_out) == ((), ())
    assert (churn.model.name, churn.model.version, churn.model._identity.task.kind) == ("churn", "2026-11-01", "binary")
    assert churn.model._identity.features == ("amount",)
    assert churn.model._identity.privacy.deny == ("ssn", "*email*")
    assert (churn.estimator, churn.outcomes) == ("sklearn.pipeline.Pipeline", "/outcomes")
    assert churn.routes == {"POST /predict": {"score": "probability"}}
    assert kind.model._identity.task.classes == ("cat", "dog", "3")
    assert (kind.model._identity.capture, kind.model._identity.features) == ("scores", ("weight",))
    assert (kind.estimator, kind.outcomes, kind.routes) == ("", "", {})


def test_every_argument_of_a_model_can_be_in_the_file() -> None:
    arguments = set(inspect.signature(driftline.Model).parameters)
    of_tests = {"name", "tracer_provider", "meter_provider", "channel", "metrics_channel"}
    assert arguments - of_tests == set(declared_models._MODEL)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("[model.churn]", "model: unknown key; did you mean 'models'?"),
        ("models = 3", "models: must be tables such as [models.churn]"),
        ("[models]\nchurn = 3", "models.churn: must be a table, [models.churn]"),
        ("[models.churn]\nvresion = '1'", "models.churn.vresion: unknown key; did you mean 'version'?"),
        ("[models.churn]\nversion = 1", "models.churn.version: must be a string, not 1"),
        (
            "[models.churn]\nfeature_names = ['a', 1]",
            "models.churn.feature_names: must be a list of strings, not ['a', 1]",
        ),
        ("[models.churn]\ncapture = 'all'", "models.churn: "),
        (
            "[models.churn.routes.'POST /p']",
            "models.churn.task: is missing; use 'binary', 'multiclass', 'regression' or 'ranking', or set a baseline",
        ),
        (
            "[models.churn.privacy]\ndenied = ['a']",
            "models.churn.privacy.denied: unknown key; did you mean 'deny'?",
        ),
        ("[models.churn.privacy]\nround = { income = -1 }", "models.churn: "),
        ("[models.churn]\ntask = 'guess'", "models.churn: "),
        ("[models.churn]\nbaseline = 'none.json'", "models.churn: "),
    ],
)
def test_a_mistake_is_named_with_key_rule_and_fix_and_its_neighbours_are_kept(
    tmp_path: Path, text: str, mistake: str
) -> None:
    kept = "" if text.startswith("models =") else "\n[models.kept]\ntask = 'binary'\n"

    file = contents_of(str(read(tmp_path, text + kept)))

    (said,) = map(str, file.mistakes)
    assert said.startswith(mistake)
    assert (said == mistake) is not mistake.endswith(": ")
    assert [one.model.name for one in file.declared] == (["kept"] if kept else [])
    (left,) = file.left_out
    assert left.name == ("churn" if text.startswith("[models") else "")


def test_the_first_mistake_of_each_model_is_named(tmp_path: Path) -> None:
    path = read(
        tmp_path,
        """
        [models.churn]
        vresion = "1"
        threshold = 7
        estimator = "shop.Churn"

        [models.kind]
        task = "binary"
        threshold = 7

        [models.fraud]
        task = "multiclass"
        classes = ["a", "a"]

        [models.text]
        text_features = { note = "read" }

        [models.hashed.privacy]
        hash = ["b"]
        """,
    )

    file = contents_of(str(path))

    assert [str(mistake).partition(" ")[0] for mistake in file.mistakes] == [
        "models.churn.vresion:",
        "models.kind:",
        "models.fraud:",
        "models.text.text_features:",
        "models.hashed:",
    ]
    assert [(left.name, left.estimator) for left in file.left_out] == [
        ("churn", "shop.Churn"),
        ("kind", ""),
        ("fraud", ""),
        ("text", ""),
        ("hashed", ""),
    ]


def test_a_file_that_cannot_be_read_leaves_out_whatever_it_may_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTLINE_CONFIG", str(tmp_path / "driftline.toml"))
    monkeypatch.setattr(declared_models, "_read", {})

    (left,) = read_declarations().left_out

    assert (left.name, left.estimator) == ("", "")


@pytest.mark.parametrize(
    ("content", "facts"),
    [
        (None, ("cannot be read (No such file or directory); its models are not instrumented",)),
        (b"[models", ("is not valid TOML: ",)),
        (b'[models.churn]\nversion = "\xff"', ("is not valid TOML: ",)),
        (b"[models.churn]\nversion = 1", ("models.churn.version:",)),
    ],
    ids=["absent", "broken", "latin", "mistake"],
)
def test_a_bad_file_is_one_line_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    content: bytes | None,
    facts: Facts,
) -> None:
    path = tmp_path / "driftline.toml"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("DRIFTLINE_CONFIG", str(path))
    monkeypatch.setattr(declared_models, "_read", {})

    assert (declared(), declared()) == ((), ())
    (record,) = caplog.records
    assert str(path) in record.getMessage()
    assert lacking(record.getMessage(), *facts) == []
