"""Scenarios 1, 9, 12 and 14: the same is measured live over OTLP and of files, and ``kill -9`` changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import driftline
import pytest

from .killed import BOUNDED, Processor
from .replays import CASES, Replay, all_models, staged
from .stage import Windows, same

WITHOUT_SLICES = {"slice_change": None}
"""A processor searches the slices of the rows whose features it keeps, 5,000 a day; files have all rows."""


def replayed(replays: list[Replay], folder: Path) -> list[Windows]:
    """Send the rows and outcomes of all to a processor that is killed twice, and return what it says of each."""
    processor = Processor(folder, all_models(replays, folder))
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DRIFTLINE_ENDPOINT", processor.otlp)
            patch.setenv("OTEL_TRACES_EXPORTER", "none")
            scores = [one.section.run(0, {"classifier": one.classifier})["score"] for one in replays]
            early = [one.outcomes.sample(frac=0.3, random_state=2) for one in replays]
            for one, score, said in zip(replays, scores, early, strict=True):
                score(one.rows.iloc[: len(one.rows) // 2])
                assert driftline.flush()
                processor.post(said, one.case.model)  # some before their predictions, all out of order
            processor.kill()
            late = [
                one.outcomes.drop(said.index).sample(frac=1, random_state=3)
                for one, said in zip(replays, early, strict=True)
            ]
            for one, score, said, rest in zip(replays, scores, early, late, strict=True):
                processor.post(said, one.case.model)  # its answer might have been lost
                score(one.rows.iloc[len(one.rows) // 2 :])
                assert driftline.flush()
                processor.post(rest.iloc[: len(rest) // 2], one.case.model)
            processor.kill()
            for one, rest in zip(replays, late, strict=True):
                processor.post(rest.iloc[len(rest) // 2 :], one.case.model)
            found = [seen(processor, one) for one in replays]
            driftline.shutdown()
            return found
    finally:
        processor.stop()


def seen(processor: Processor, one: Replay) -> Windows:
    found = processor.windows(one.case.model, one.case.window, one.told)
    for window in found:
        slices = processor.weak_slices(one.case.model, one.case.window, window["start"])
        window["performance"]["weak_slices"] = slices
    return found


def test_what_is_measured_is_the_same_live_and_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replays = []
    for case in CASES:
        (tmp_path / case.model).mkdir()
        monkeypatch.chdir(tmp_path / case.model)
        replays.append(staged(case, tmp_path / case.model))
    for one, live in zip(replays, replayed(replays, tmp_path), strict=True):
        mature = [window for window in live if window["performance"]["maturity"] == "mature"]
        assert len(mature) >= 2
        by_start = {window["start"]: window for window in one.told}
        for window in mature:
            of_files = by_start[window["start"]]
            for part in ("outcomes", "performance"):
                where = f"{one.case.model}.{window['start']}.{part}"
                streamed, of_rows = (
                    {**found[part], **WITHOUT_SLICES} if part == "performance" else found[part]
                    for found in (window, of_files)
                )
                assert same(streamed, of_rows, where, BOUNDED) == []
        CHECKS[one.case.number](one.told)


def of_churn(told: Windows) -> None:
    states = [one["performance"]["objectives"][0]["state"] for one in told]
    assert states[:4] == ["met"] * 4
    assert "broken" in states[4:]


def of_fraud(told: Windows) -> None:
    states = [one["performance"]["objectives"][0]["state"] for one in told]
    assert "broken" not in states[:3]
    assert "broken" in states[3:]
    precision = told[0]["performance"]["realized"]["precision"]
    assert precision["effective_rows"] < told[0]["outcomes"]["rows"]


def of_credit(told: Windows) -> None:
    auc = [one["performance"]["realized"]["roc_auc"]["value"] for one in told]
    assert min(auc[:2]) > max(auc[2:])
    worst = [one["performance"]["slices"]["region=south"]["metrics"]["accuracy"]["value"] for one in told]
    assert min(worst[:2]) > max(worst[2:])
    assert told[0]["performance"]["fairness"][0]["attribute"] == "group"
    assert all("lift@0.1" in one["performance"]["realized"] for one in told)


def of_clicks(told: Windows) -> None:
    estimated = [one["performance"]["estimated"]["actual_rate"] for one in told]
    assert [one["value"] < 0.95 * one["reference"] for one in estimated[6:12]] == [True] * 6
    assert all(one["alert"] for one in estimated[6:12])
    assert not any(one["alert"] for one in estimated[:6])
    assert json.dumps(estimated)


CHECKS = {1: of_churn, 9: of_fraud, 12: of_credit, 14: of_clicks}
