"""A text feature leaves as descriptors; the text stays home."""

from __future__ import annotations

import logging
import sys
import unicodedata
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.codec import from_json, to_json
from driftline.export import counters as counts
from driftline.inputs.text_descriptors import SCRIPTS, describe, script_of, script_of_letter
from driftline.inputs.texts_and_vectors import short_text
from driftline.inputs.vocabulary import LOOKED_AT, Vocabulary, words_of
from driftline.loss_counters import UNRECORDED, UNUSABLE
from driftline.panes.fold import fold
from driftline.privacy.policy import Privacy
from driftline.tables.table import Column, PredictionTable
from hypothesis import given
from hypothesis import strategies as st

from tests.support.metric_points import points
from tests.support.service import AddedCounts, Service, returns
from tests.support.unwrap import unwrap

SECRET = "My parcel 4711 never came, where is it? " * 20
ROWS: list[dict[str, Any]] = [
    {"amount": 1.0, "message": SECRET},
    {"amount": 2.0, "message": "Где моя посылка?"},
    {"amount": 3.0, "message": None},
    {"amount": 4.0, "message": "short"},
]


@dataclass
class Order:
    amount: float
    message: str | None


SHAPES: dict[str, Callable[[list[dict[str, Any]]], list[Any]]] = {
    "dicts": lambda rows: rows,
    "dataclasses": lambda rows: [Order(**row) for row in rows],
    "list of dicts": lambda rows: [rows],
    "DataFrame": lambda rows: [pd.DataFrame(rows)],
    "DataFrame of objects": lambda rows: [pd.DataFrame(rows).astype({"message": object})],
    "structured": lambda rows: [
        np.array([(r["amount"], r["message"]) for r in rows], dtype=[("amount", float), ("message", object)])
    ],
}


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> dict[str, AddedCounts]:
    """Return what the SDK counts about itself, by metric."""
    UNUSABLE.drain()
    UNRECORDED.drain()
    counters = {
        name: AddedCounts() for name in ("driftline.sdk.unusable.values", "driftline.sdk.unrecorded.predictions")
    }
    for name, counter in counters.items():
        monkeypatch.setitem(counts._counters, (None, name, False), counter)
    return counters


def told(table: PredictionTable, name: str) -> list[Any]:
    """Return a column as Python values."""
    column = table.features[name]
    if column.codes is not None:
        return [column.categories[code] if code >= 0 else None for code in column.codes.tolist()]
    return [None if value != value else value for value in unwrap(column.numbers).tolist()]


@pytest.mark.parametrize("shape", SHAPES)
def test_descriptors_leave_and_the_text_does_not(service: Service, shape: str) -> None:
    model = service.model(text_features=("message",))

    @model.predict
    def score(order: Any) -> Any:
        return np.full(4, 0.25) if isinstance(order, list | pd.DataFrame | np.ndarray) else 0.25

    for value in SHAPES[shape](ROWS):
        score(value)
    table = service.table()
    assert list(table.features) == ["amount", "message.length", "message.words", "message.script"]
    assert told(table, "message.length") == [len(SECRET), 16, None, 5]
    assert told(table, "message.words") == [7 * 20, 3, None, 1]
    assert told(table, "message.script") == ["latin", "cyrillic", None, "latin"]
    everything = b"".join(service.channel.bodies) + repr([span.attributes for span in service.spans]).encode()
    assert b"parcel" not in everything
    assert "посылка".encode() not in everything
    assert b"short" not in everything
    assert b"message.words" not in repr([span.attributes for span in service.spans]).encode()


@pytest.mark.parametrize("shape", SHAPES)
def test_an_undeclared_document_is_a_short_category_and_told_once(
    service: Service, shape: str, caplog: pytest.LogCaptureFixture, own: dict[str, AddedCounts]
) -> None:
    @service.model().predict
    def score(order: Any) -> Any:
        return np.full(4, 0.25) if isinstance(order, list | pd.DataFrame | np.ndarray) else 0.25

    with caplog.at_level(logging.WARNING, "driftline"):
        for value in SHAPES[shape](ROWS):
            score(value)
        table = service.table()
    assert told(table, "message") == [short_text(SECRET), "Где моя посылка?", None, "short"]
    assert short_text(SECRET)[:200] == SECRET[:200]
    assert [record.getMessage() for record in caplog.records] == [
        "driftline: churn: 'message' contains texts of more than 256 characters, which are recorded as "
        "categories: their first characters and a hash; Model(text_features=('message',)) records their length, words "
        "and script instead"
    ]
    assert own["driftline.sdk.unusable.values"].points == []
    assert "parcel" not in repr([span.attributes for span in service.spans])


def test_a_denied_text_has_no_descriptors_and_one_descriptor_can_be_denied(service: Service) -> None:
    denied = service.model("denied", text_features=("message",), privacy=Privacy(deny=("message",)))
    denied.predict(returns(0.25))({"amount": 1.0, "message": SECRET})
    partly = service.model("partly", text_features=("message",), privacy=Privacy(deny=("message.script",)))
    partly.predict(returns(0.25))({"amount": 1.0, "message": SECRET})
    first, second = service.tables()
    assert list(first.features) == ["amount"]
    assert list(second.features) == ["amount", "message.length", "message.words"]


def test_descriptors_are_under_rules_of_their_own(service: Service) -> None:
    rules = Privacy(allow=("message",), round={"message.length": 100.0}, hash=("message",), key="k" * 16)
    predict = service.model(text_features=("message",), privacy=rules).predict(returns(0.25), slices="message")
    predict({"amount": 1.0, "message": SECRET})
    predict({"amount": 1.0, "message": "tiny"})
    table = service.table()
    assert list(table.features) == ["message.length", "message.words", "message.script"]
    assert told(table, "message.length") == [800, 0]
    assert told(table, "message.words") == [140, 1]
    assert table.slices == {}


def test_feature_names_let_a_text_in_by_its_own_name(service: Service) -> None:
    model = service.model(text_features=("message",), feature_names=("message",))
    model.predict(returns(0.25))({"amount": 1.0, "message": SECRET})
    assert list(service.table().features) == ["message.length", "message.words", "message.script"]


def test_a_text_waits_with_10000_characters_and_its_full_length(service: Service) -> None:
    model = service.model(text_features=("message",))
    predict = model.predict(returns(0.25))
    predict({"message": "first"})
    predict({"message": "word " * 2_000_000})
    waiting = model._pipeline._rows
    assert LOOKED_AT < waiting._bytes < 2 * LOOKED_AT
    table = service.table()
    assert told(table, "message.length") == [5, 10_000_000]
    assert told(table, "message.words") == [1, LOOKED_AT / 5]


def test_texts_of_a_frame_count_towards_the_bound_of_the_buffer(service: Service, own: dict[str, AddedCounts]) -> None:
    predict = service.model(text_features=("message",)).predict(halves)
    predict(pd.DataFrame({"message": ["a" * 40_000_000]}))
    assert service.table().features == {}
    too_large = {"ml.model.name": "churn", "driftline.reason": "too_large"}
    assert own["driftline.sdk.unrecorded.predictions"].points == [(1, too_large)]


def test_misuse_names_the_fix(service: Service) -> None:
    with pytest.raises(
        TypeError, match=r"text_features is a single string, 'message'; use text_features=\('message',\)"
    ):
        service.model(text_features="message")
    for names in ({"message": "keep"}, (1,)):
        with pytest.raises(TypeError, match="text_features"):
            service.model(text_features=names)


def halves(frame: pd.DataFrame) -> Any:
    return np.full(len(frame), 0.5)


def grid(frame: pd.DataFrame) -> Any:
    return np.linspace(0, 1, len(frame))


def documents(n: int, words: str = "where is my parcel number") -> list[str]:
    return [f"{words} {i}: name{chr(97 + i % 26)} {chr(97 + i // 26)}x" for i in range(n)]


def test_a_baseline_guesses_texts_learns_their_words_and_gives_live_rows_the_same_numbers(service: Service) -> None:
    texts = documents(60)
    X = {"amount": np.arange(60.0), "message": texts, "city": ["Oslo", "Rome"] * 30}
    baseline = Baseline.from_frame(X, score=np.linspace(0, 1, 60), model="churn", task="binary")
    assert list(baseline.texts) == ["message"]
    assert [name for name in baseline.bins.features if name.startswith("message")] == [
        "message.length",
        "message.words",
        "message.unknown",
        "message.script",
        "message.topic",
    ]
    assert baseline.columns["features"] == ["amount", "message", "city"]
    again = Baseline.from_json(baseline.to_json())
    assert again.texts == baseline.texts
    assert again.digest == baseline.digest
    assert "parcel" not in baseline.to_json()

    predict = service.model(baseline=again).predict(grid)
    predict(pd.DataFrame(X))
    (table,) = (table for table in service.tables() if len(table))
    pane = fold(table, baseline.bins)
    for name in baseline.bins.features:
        assert pane.parts[f"feature:{name}"].tolist() == baseline.pane.parts[f"feature:{name}"].tolist(), name
    assert told(table, "message.unknown")[0] == pytest.approx(1 / 7)


def test_text_features_of_a_baseline_can_be_said() -> None:
    X = {"note": ["yes please", "no"], "x": [1.0, 2.0]}
    arguments: dict[str, Any] = {"score": [0.1, 0.2], "model": "m", "task": "binary"}
    assert list(Baseline.from_frame(X, text_features=("note",), **arguments).texts) == ["note"]
    assert Baseline.from_frame({"note": documents(60)[:2], "x": [1, 2]}, **arguments).texts == {}
    with pytest.raises(ValueError, match="text_features: there is no column 'notes'; the columns are note, x"):
        Baseline.from_frame(X, text_features=("notes",), **arguments)


def test_a_damaged_vocabulary_is_refused_by_name() -> None:
    text = Baseline.from_frame({"note": documents(40)}, score=np.linspace(0, 1, 40), model="m", task="binary").to_json()
    broken = text.replace('"texts":{"note":{"hashes":"', '"texts":{"note":{"hashes":"!')
    assert broken != text
    with pytest.raises(ValueError, match=r"baseline: texts\.note\.hashes: "):
        Baseline.from_json(broken)


def test_only_words_of_ten_different_texts_are_known() -> None:
    texts = [f"common {'rare' if i < 9 else 'often'} {chr(97 + i)}" for i in range(19)]
    vocabulary = Vocabulary.learn(texts)
    assert vocabulary.unknown(["common"]) == 0
    assert vocabulary.unknown(["often"]) == 0
    assert vocabulary.unknown(["rare"]) == 1
    assert len(vocabulary) == 2
    assert (
        Vocabulary.learn([f"{chr(97 + i % 26)}{chr(97 + i // 26)} word" for i in range(12)]).hashes
        == Vocabulary.learn(["word"] * 10).hashes
    )


def test_a_vocabulary_keeps_the_words_of_most_texts_and_stays_small() -> None:
    words = [f"{a}{b}{c}" for a in "abcdefghijklmno" for b in "abcdefghijklmno" for c in "abcdefghijklmno"]
    vocabulary = Vocabulary.learn([" ".join(words[: len(words) - 10 * i]) for i in range(200)])
    assert len(vocabulary) == pytest.approx(2000, abs=2)
    assert len(vocabulary.hashes) == pytest.approx(6000, abs=6)
    assert vocabulary.unknown(words[:1000]) < 0.01


@given(st.text())
def test_words_hold_no_space_and_no_digit(text: str) -> None:
    for word in words_of(text):
        assert word
        assert not any(letter.isspace() or letter.isdecimal() for letter in word)


@pytest.mark.slow
def test_scripts_agree_with_the_names_of_letters() -> None:
    """Python names every letter after its script; archaic and mathematical ones beyond the table are "other"."""
    han = {"CJK": "han", "KANGXI": "han", "IDEOGRAPHIC": "han"}
    strange = []
    for code in range(sys.maxunicode + 1):
        letter = chr(code)
        first, *rest = unicodedata.name(letter, "none").replace("-", " ").split()
        first = rest[0] if first in ("HALFWIDTH", "FULLWIDTH") else first
        expected = han.get(first, first.lower())
        if letter.isalpha() and expected in SCRIPTS and script_of_letter(letter) not in (expected, "other"):
            strange.append(letter)
        if letter.isalpha() and expected in SCRIPTS and code < 0x2000:
            assert script_of_letter(letter) == expected, hex(code)
    assert strange == []


def test_the_script_is_that_of_most_letters() -> None:
    assert script_of("Привет from Oslo") == "latin"
    assert script_of("كيف حالك? ok") == "arabic"
    assert script_of("한국어") == "hangul"
    assert script_of("हिन्दी") == "devanagari"
    assert script_of("42!") == "none"
    assert script_of("") == "none"


def test_a_column_of_anything_but_texts_has_no_descriptors() -> None:
    described = describe("x", Column(numbers=np.array([1.0, 2.0])))
    assert np.isnan(described["x.length"].numbers).all()  # type: ignore[arg-type]
    assert described["x.script"].codes.tolist() == [-1, -1]  # type: ignore[union-attr]


@pytest.mark.parametrize("known", [True, False], ids=["on a baseline", "without one"])
def test_descriptors_are_counted_where_no_row_leaves(service: Service, known: bool) -> None:
    X = pd.DataFrame({"amount": np.arange(60.0), "message": documents(60)})
    baseline = Baseline.from_frame(X, score=grid(X), model="churn", task="binary")
    options: dict[str, Any] = {"baseline": baseline} if known else {"text_features": ("message",)}
    service.model(capture="none", metrics_channel=service.metrics, **options).predict(grid)(X)
    service.flush()
    found = points(service.metrics.bodies)
    values = {
        point.attributes.get("driftline.feature.name"): point
        for point in found
        if point.name == "driftline.feature.distribution"
    }
    assert values.keys() == {"amount", "message.length", "message.words", *(["message.unknown"] if known else [])}
    assert all(point.count == 60 for point in values.values())
    assert values["message.words"].kind == ("histogram" if known else "exponential_histogram")
    categories = {
        point.attributes.get("driftline.feature.name")
        for point in found
        if point.name == "driftline.feature.categories"
    }
    assert categories == {"message.script", *(["message.topic"] if known else [])}
    assert b"parcel" not in b"".join(service.metrics.bodies)


BILLING = [f"please check my invoice {one}" for one in ("refund", "amount", "tax", "receipt") for _ in range(30)]
PARCELS = [f"please find my parcel {one}" for one in ("late", "lost", "broken", "burnt") for _ in range(30)]


def bucket(word: str) -> str:
    return f"topic {(zlib.crc32(word.encode()) >> 8) % 64}"


def test_the_topic_of_a_text_is_the_bucket_of_one_word_that_is_not_common_if_it_has_one() -> None:
    vocabulary = Vocabulary.learn([*(BILLING + PARCELS) * 3, *["the driver was late"] * 10])
    told = {text: vocabulary.look_up(words_of(text)) for text in ("please", "late please", "my driver", "xyz", "")}
    assert told["please"] == (0.0, bucket("please"))
    assert told["late please"] == (0.0, bucket("late"))  # of common words the one that fewest texts hold
    assert told["my driver"] == (0.0, bucket("driver"))
    assert told["xyz"] == (1.0, "unknown")
    assert told[""][1] == ""
    assert vocabulary.look_up(["the", "was", "driver"])[1] == bucket("driver")  # in as many texts, and first by name


def test_a_vocabulary_reads_itself_back_with_its_topics() -> None:
    vocabulary = Vocabulary.learn([*(BILLING + PARCELS) * 3, *["the driver was late"] * 10])
    again = from_json(Vocabulary, to_json(vocabulary))
    assert again == vocabulary
    assert len(again) == len({word for text in (*BILLING, *PARCELS, "the driver was") for word in words_of(text)})
    assert again.look_up(["driver"]) == vocabulary.look_up(["driver"])


def test_nothing_of_a_text_but_a_bucket_is_in_its_topic() -> None:
    vocabulary = Vocabulary.learn([*(BILLING + PARCELS) * 3, *["the driver was late"] * 10])
    texts = Column(codes=np.array([0, 1, -1], np.int32), categories=("my driver, Mrs. Smith", "please"))
    topic = describe("m", texts, vocabulary)["m.topic"]
    assert unwrap(topic.codes).tolist() == [0, 1, -1]
    assert topic.categories == (bucket("driver"), bucket("please"))
