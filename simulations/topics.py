"""How often the topics of texts alarm, and what they find: evidence/topics.json.

Tickets of 8 to 19 words, half of them of 300 words that all tickets share, half of 225 words of the ticket's own topic,
each as frequent as Zipf's law says. Ten baselines of 8,000 tickets of four topics; windows of 1,000.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.inputs.text_descriptors import describe
from driftline.panes.fold import fold
from driftline.tables.table import Column, ModelKey
from driftline_processor.core.judge_window import ModelWindow, judge_window
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.windows.window import Window

from simulations.frame import Figures, Random, Row, Table, percent, table_of

REFERENCE, ROWS, BASELINES = 8_000, 1_000, 10
SHARED, OWN, TOPICS = 300, 225, 4
USUAL = (0.4, 0.3, 0.2, 0.1)
DAY = Window("1d", 1_772_323_200_000_000_000, 1_772_409_600_000_000_000)

Texts = list[str]


def _words(n: int) -> list[str]:
    rng = np.random.default_rng(20_261_121)
    return ["".join(letters) for letters in rng.choice(list("abcdefghijklmnopqrstuvwxyz"), (n, 7))]


WORDS = _words(SHARED + TOPICS * OWN)


def _zipf(n: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    shares = 1 / np.arange(1, n + 1)
    return np.asarray(shares / shares.sum())


def tickets(n: int, mix: tuple[float, ...], rng: Random) -> Texts:
    """Draw texts of topics in these proportions."""
    found = []
    for topic, length in zip(rng.choice(TOPICS, n, p=mix), rng.integers(8, 20, n), strict=True):
        shared = rng.choice(SHARED, length, p=_zipf(SHARED))
        own = SHARED + OWN * topic + rng.choice(OWN, length, p=_zipf(OWN))
        found.append(" ".join(WORDS[at] for at in np.where(rng.random(length) < 0.5, shared, own).tolist()))
    return found


def collapsed(n: int, rng: Random) -> Texts:
    """Draw texts of four words that the baseline knows, as long as they were."""
    four = [WORDS[at] for at in (2, SHARED + 1, SHARED + OWN + 2, SHARED + 2 * OWN + 3)]
    return [" ".join(four[at] for at in rng.integers(0, 4, rng.integers(8, 20))) for _ in range(n)]


def _built(rng: Random) -> Baseline:
    frame = {"ticket": np.array(tickets(REFERENCE, USUAL, rng), object), "p": rng.random(REFERENCE)}
    named = {"score": "p", "model": "m", "task": "binary"}
    return Baseline.from_frame(frame, **named, features=["ticket"], text_features=["ticket"])  # type: ignore[arg-type]


def states(texts: Texts, baseline: Baseline) -> dict[str, str]:
    """Return the state of each descriptor of a window's texts."""
    labels, codes = np.unique(np.array(texts, object), return_inverse=True)
    column = Column(codes=codes.astype(np.int32), categories=tuple(labels.tolist()))
    frame = {"z": np.zeros(len(texts)), "p": np.linspace(0.1, 0.9, len(texts))}
    table, *_ = table_from_frame(frame, score="p", model="m", task="binary", features=["z"])
    table = replace(table, features=describe("ticket", column, baseline.texts["ticket"]))
    judged = judge_window(ModelWindow(ModelKey("m"), DAY, fold(table, baseline.bins)), Reference(baseline))
    return {name: column.state for name, column in judged.features.items()}


@dataclass(frozen=True)
class Drawn(Row):
    """``what``: the texts of the windows."""

    what: str


def found(draw: Callable[[Random], Texts]) -> Callable[[int, Random], Figures]:
    """Return the shares of windows in which the topic drifts, and in which length, words or script do."""

    def measure(windows: int, rng: Random) -> Figures:
        topic = others = 0
        many = min(BASELINES, windows)
        for _ in range(many):
            baseline = _built(rng)
            for _ in range(windows // many):
                told = states(draw(rng), baseline)
                topic += told["ticket.topic"] == "drift"
                others += any(told[f"ticket.{name}"] == "drift" for name in ("length", "words", "script"))
        asked = many * (windows // many)
        return {"topic": topic / asked, "others": others / asked}

    return measure


def mixed(*mix: float) -> Callable[[Random], Texts]:
    """Draw windows of topics in these proportions."""
    return lambda rng: tickets(ROWS, mix, rng)


ROWS_OF_TABLE = {
    row.name: row
    for row in (
        Drawn("topics-quiet", found(mixed(*USUAL)), 400, "the baseline's mix of topics"),
        Drawn("topics-tenth", found(mixed(0.3, 0.3, 0.2, 0.2)), 100, "a tenth of the texts of another topic"),
        Drawn("topics-fifth", found(mixed(0.2, 0.3, 0.2, 0.3)), 100, "a fifth of the texts of another topic"),
        Drawn("topics-four-words", found(lambda rng: collapsed(ROWS, rng)), 50, "four known words alone"),
    )
}
HEAD = ["texts of the window", "topic drifts", "length, words or script drift"]


def _told(_: Drawn, figures: Figures) -> list[str]:
    return [percent(figures["topic"]), percent(figures["others"])]


TOPICS_OF_TEXTS = Table("topics", ROWS_OF_TABLE, table_of(ROWS_OF_TABLE, HEAD, _told))
