"""The TOML file of a program without code of ours: its models are made as it says, and its mistakes are named."""

from __future__ import annotations

import inspect
from pathlib import Path

import driftline
import numpy as np
import pytest
from driftline import settings_file
from driftline.settings_file import declared, models_of


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

    (churn, kind), mistakes = models_of(str(path))

    assert mistakes == []
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
    assert arguments - of_tests == set(settings_file._MODEL)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("[model.churn]", "model: there is no such key; did you mean 'models'?"),
        ("models = 3", "models: must be tables, [models.churn]"),
        ("[models]\nchurn = 3", "models.churn: must be a table, [models.churn]"),
        ("[models.churn]\nvresion = '1'", "models.churn.vresion: there is no such key; did you mean 'version'?"),
        ("[models.churn]\nversion = 1", "models.churn.version: must be a text, not 1"),
        (
            "[models.churn]\nfeature_names = ['a', 1]",
            "models.churn.feature_names: must be a list of texts, not ['a', 1]",
        ),
        ("[models.churn]\ncapture = 'all'", "models.churn.capture: must be one of none, scores, features, not 'all'"),
        (
            "[models.churn.routes.'POST /p']",
            "models.churn.task: is missing; say 'binary', 'multiclass', 'regression' or 'ranking', or give a baseline",
        ),
        (
            "[models.churn.privacy]\ndenied = ['a']",
            "models.churn.privacy.denied: there is no such key; did you mean 'deny'?",
        ),
        ("[models.churn.privacy]\nround = { income = -1 }", "models.churn.privacy: "),
        ("[models.churn]\ntask = 'guess'", "models.churn: "),
        ("[models.churn]\nbaseline = 'none.json'", "models.churn: "),
    ],
)
def test_a_mistake_is_named_with_key_rule_and_fix_and_its_neighbours_are_kept(
    tmp_path: Path, text: str, mistake: str
) -> None:
    kept = "" if text.startswith("models =") else "\n[models.kept]\ntask = 'binary'\n"

    found, mistakes = models_of(str(read(tmp_path, text + kept)))

    (said,) = map(str, mistakes)
    assert said.startswith(mistake)
    assert (said == mistake) is not mistake.endswith(": ")
    assert [one.model.name for one in found] == (["kept"] if kept else [])


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (None, "cannot be read (No such file or directory); nothing of it is instrumented"),
        (b"[models", "is no TOML: "),
        (b'[models.churn]\nversion = "\xff"', "is no TOML: "),
        (b"[models.churn]\nversion = 1", "models.churn.version: must be a text, not 1"),
    ],
    ids=["absent", "broken", "latin", "mistake"],
)
def test_a_bad_file_is_one_line_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    content: bytes | None,
    line: str,
) -> None:
    path = tmp_path / "driftline.toml"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("DRIFTLINE_CONFIG", str(path))
    monkeypatch.setattr(settings_file, "_read", {})

    assert (declared(), declared()) == ((), ())
    (record,) = caplog.records
    assert str(path) in record.getMessage()
    assert line in record.getMessage()
