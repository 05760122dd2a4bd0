"""Topics of texts: tickets that collapse to a few known words are found, and the same mix of topics is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.inputs.text_descriptors import describe
from driftline.panes.fold import fold
from driftline.tables.table import Column, ModelKey
from driftline_processor.core.judge_window import ModelWindow, judge_window
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.windows.window import Window

DAY = Window("1d", 1_772_323_200_000_000_000, 1_772_409_600_000_000_000)
RNG = np.random.default_rng(8)
WORDS = ["".join(letters) for letters in RNG.choice(list("abcdefghijklmnopqrstuvwxyz"), (120, 7))]


def texts(n: int, words: int, rng: np.random.Generator) -> list[str]:
    """Draw texts of ten words, of the first so many."""
    return [" ".join(WORDS[at] for at in rng.integers(0, words, 10)) for _ in range(n)]


def built(rng: np.random.Generator) -> Baseline:
    frame = {"m": np.array(texts(2_000, 120, rng), object), "p": rng.random(2_000)}
    return Baseline.from_frame(frame, score="p", model="m", task="binary", features=["m"], text_features=["m"])


def states(own: list[str], baseline: Baseline) -> dict[str, str]:
    labels, codes = np.unique(np.array(own, object), return_inverse=True)
    column = Column(codes=codes.astype(np.int32), categories=tuple(labels.tolist()))
    frame = {"z": np.zeros(len(own)), "p": np.linspace(0.1, 0.9, len(own))}
    table, *_ = table_from_frame(frame, score="p", model="m", task="binary", features=["z"])
    table = replace(table, features=describe("m", column, baseline.texts["m"]))
    judged = judge_window(ModelWindow(ModelKey("m"), DAY, fold(table, baseline.bins)), Reference(baseline))
    return {name: column.state for name, column in judged.features.items()}


def test_tickets_that_collapse_to_known_words_drift_by_their_topic_alone() -> None:
    rng = np.random.default_rng(9)
    found = states(texts(500, 4, rng), built(rng))
    assert {name for name, state in found.items() if state == "drift"} == {"m.topic"}


def test_texts_of_the_same_topics_do_not_drift() -> None:
    rng = np.random.default_rng(10)
    assert "drift" not in states(texts(500, 120, rng), built(rng)).values()
