"""What leaves per row at each capture level; that all of it is counted at every one."""

# ruff: noqa: ARG001 - functions that predict the same whatever they are given

from __future__ import annotations

import asyncio
import contextlib
import enum
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from driftline import Privacy
from driftline.batch.conversion import list_of
from driftline.tables.column_codec import strings

from tests.support.service import Service, returns
from tests.support.unwrap import unwrap

ROW = {"order": "A-1", "amount": 17.5, "country": "NO"}
SAID = {
    "ml.operation.name": "predict",
    "ml.model.name": "churn",
    "ml.model.version": "7",
    "ml.model.task": "binary",
    "driftline.prediction.recorded": True,
    "ml.prediction.id": "A-1",
}
SCORED = {"ml.prediction.score": 0.75, "ml.prediction.class": "1", "driftline.slice.value.country": "NO"}
VALUES = {"driftline.feature.value.amount": 17.5, "driftline.feature.value.country": "NO"}
SPANS: dict[str, dict[str, Any]] = {
    "none": SAID,
    "scores": {**SAID, **SCORED},
    "features": {**SAID, **SCORED, **VALUES},
}


def three_quarters(row: dict[str, Any]) -> float:
    return 0.75


@pytest.mark.parametrize("level", SPANS)
@pytest.mark.parametrize("from_environment", [False, True])
def test_a_span_says_what_the_level_lets_it(
    service: Service, monkeypatch: pytest.MonkeyPatch, level: str, from_environment: bool
) -> None:
    if from_environment:
        monkeypatch.setenv("DRIFTLINE_CAPTURE", level)
    model = service.model(version="7", **({} if from_environment else {"capture": level}))
    score = model.predict(three_quarters, id="order", slices=("country",))
    for _ in range(2):
        score(ROW)

    assert [dict(span.attributes or {}) for span in service.spans] == [SPANS[level]] * 2


@pytest.mark.parametrize("level", SPANS)
def test_the_quick_way_keeps_to_the_level_too(service: Service, level: str) -> None:
    score = service.model(version="7", capture=level).predict(three_quarters, id="order")
    for _ in range(2):
        score(ROW)

    said = {key: value for key, value in SPANS[level].items() if not key.startswith("driftline.slice")}
    assert [dict(span.attributes or {}) for span in service.spans] == [said] * 2


def test_code_wins_over_the_environment(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTLINE_CAPTURE", "none")
    service.model(version="7", capture="features").predict(three_quarters, id="order", slices=("country",))(ROW)

    assert service.attributes() == SPANS["features"]


def test_a_level_that_is_none_is_refused_with_the_three_that_are(service: Service) -> None:
    with pytest.raises(ValueError, match=r"Model\(capture=\):.*'all'.*'features'.*'scores'.*'none'"):
        service.model(capture="all")


def test_scores_alone_make_records_without_features(service: Service) -> None:
    model = service.model(capture="scores")
    model.predict(three_quarters, id="order", slices=("country",))(ROW)
    model.predict(lambda batch: [0.25] * len(batch), id="order", slices=("country",))([ROW, ROW])

    tables = service.tables()
    assert sum(map(len, tables)) == 3
    for table in tables:
        assert table.features == {}
        assert table.scores is not None
        assert set(strings(table.id)) == {"A-1"}
        assert set(list_of(table.slices["country"])) == {"NO"}


def test_nothing_per_row_leaves_at_none_and_everything_is_counted(service: Service) -> None:
    model = service.model(capture="none")
    model.predict(three_quarters, id="order")(ROW)
    model.predict(lambda batch: [0.25] * len(batch))([ROW, ROW])

    assert service.tables() == []
    assert service.counts() == {(("ml.prediction.class", "0"),): 2, (("ml.prediction.class", "1"),): 1}


def test_outcomes_are_sent_at_every_level(service: Service) -> None:
    for level in SPANS:
        service.model(level, capture=level).outcome("A-1", actual=1)

    assert [(table.model, strings(table.id)) for table in service.outcomes()] == [(level, ["A-1"]) for level in SPANS]


async def coroutine(row: dict[str, Any]) -> float:
    return 0.75


def steps(row: dict[str, Any]) -> Iterator[float]:
    yield 0.75


async def async_steps(row: dict[str, Any]) -> AsyncIterator[float]:
    yield 0.75


def fails(row: dict[str, Any]) -> float:
    raise KeyError(row["country"])


def returning(value: Any) -> Callable[[dict[str, Any]], Any]:
    def predict(row: dict[str, Any]) -> Any:
        return value

    return predict


SHAPES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "float": three_quarters,
    "double": returning(np.float64(0.75)),
    "class": returning(1),
    "scores": returning(np.array([0.25, 0.75])),
    "unread": returning({"country": "NO"}),
    "coroutine": coroutine,
    "generator": steps,
    "async generator": async_steps,
    "error": fails,
}


def run(made: Any) -> None:
    """Take whatever a prediction gives to its end."""

    async def wait() -> None:
        if inspect.isasyncgen(made):
            async for _ in made:
                pass
        else:
            await made

    if inspect.isgenerator(made):
        list(made)
    elif inspect.isasyncgen(made) or inspect.iscoroutine(made):
        asyncio.run(wait())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("level", ["none", "scores"])
@pytest.mark.parametrize("slices", [None, ("country",)])
def test_every_shape_of_predict_keeps_to_the_level(
    service: Service, level: str, shape: str, slices: tuple[str, ...] | None
) -> None:
    score = service.model(capture=level).predict(SHAPES[shape], id="order", slices=slices)
    for _ in range(3):
        with contextlib.suppress(KeyError):
            run(score(ROW))

    for span in service.spans:
        keys = set(span.attributes or {}) - {"error.type"}
        if level == "none":
            assert keys == set(SAID) - {"ml.model.version"}
        else:
            assert not [key for key in keys if key.startswith("driftline.feature")]
    assert len(service.spans) == 3
    tables = service.tables()
    assert (sum(map(len, tables)), [table.features for table in tables if table.features]) == (
        (0, []) if level == "none" else (3, [])
    )
    assert sum(service.counts().values()) == 3


def test_features_are_on_spans_only_if_somebody_asks_for_them(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DRIFTLINE_SPAN_FEATURES")
    model = service.model()
    model.predict(three_quarters)(ROW)
    with model.prediction(features=ROW) as p:
        p.score = 0.75
    model.predict(three_quarters, span_features=True)(ROW)

    spans = [dict(span.attributes or {}) for span in service.spans]
    assert ["driftline.feature.value.amount" in attributes for attributes in spans] == [False, False, True]
    assert all("amount" in table.features for table in service.tables())


@pytest.mark.parametrize("options", [{"capture": "none"}, {"capture": "scores"}, {"privacy": Privacy(deny=("ssn",))}])
def test_an_exception_is_said_by_its_type_alone(service: Service, options: dict[str, Any]) -> None:
    @service.model(**options).predict(id="order")
    def score(row: dict[str, Any]) -> float:
        raise KeyError(row["country"])

    with pytest.raises(KeyError):
        score(ROW)

    (span,) = service.spans
    (event,) = span.events
    assert (event.name, dict(event.attributes or {})) == ("exception", {"exception.type": "KeyError"})
    assert span.status.description is None
    assert (span.attributes or {})["error.type"] == "KeyError"


def test_a_span_whose_rows_are_in_no_record_says_so_unless_they_are_in_distributions(service: Service) -> None:
    from driftline.export.pipeline import pipeline_of

    for level, recorded in (("none", True), ("scores", False), ("features", False)):
        model = service.model(level, capture=level)
        pipeline_of(service.channel).recording = False
        model.predict(three_quarters)(ROW)
        assert dict(service.spans[-1].attributes or {})["driftline.prediction.recorded"] is recorded


def test_a_batch_at_none_says_how_many_rows_it_has(service: Service) -> None:
    service.model(capture="none").predict(lambda batch: [0.25] * len(batch))([ROW, ROW])

    attributes = service.attributes()
    assert attributes.pop("ml.prediction.count") == 2
    assert set(attributes) == set(SAID) - {"ml.model.version"}


class _Plan(enum.Enum):
    FREE = "free"


KINDS: dict[str, Any] = {
    "text": "no",
    "long text": "Mozilla/5.0 " + "(X11) " * 60,
    "longest text": "é" * 20_000,
    "long bytes": b"x" * 400,
    "surrogate": "a\ud800",
    "long surrogate": "\ud800" * 300,
    "empty": "",
    "true": True,
    "float": 0.25,
    "nan": float("nan"),
    "infinite": float("inf"),
    "integer": 7,
    "long integer": 2**53 + 1,
    "longest integer": 10**30,
    "decimal": Decimal("1.5"),
    "time": datetime(2026, 11, 20, tzinfo=UTC),
    "enum": _Plan.FREE,
    "numpy": np.float32(0.5),
    "numpy text": np.str_("x" * 300),
    "vector": [1.0, 2.0],
    "mapping": {"a": 1},
    "missing": None,
}


@pytest.mark.parametrize("way", ["field", "fields", "function", "argument", "block"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_slices_and_features_of_a_span_are_plain_and_those_of_its_row(
    service: Service, kind: str, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    value, model = KINDS[kind], service.model()
    row = {"x": 1.0, "v": value, "w": "k"}
    if way == "block":
        with model.prediction(features=row, slices={"v": value, "w": "k"}) as prediction:
            prediction.score = 0.25
    elif way == "argument":

        @model.predict(features="row", slices="v", span_features=True)
        def by_argument(row: Any, v: Any) -> float:
            return 0.25

        by_argument({"x": 1.0, "w": "k"}, value)
    else:
        slices: Any = {"field": "v", "fields": ("v", "w"), "function": lambda row: {"v": row["v"]}}[way]
        model.predict(returns(0.25), slices=slices, span_features=True)(row)
    (span,), table = service.spans, service.table()
    attributes: dict[str, Any] = dict(span.attributes or {})

    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]
    kinds = ("driftline.feature.value.", "driftline.slice.value.")
    for of_row, start in zip((table.features, table.slices), kinds, strict=True):
        for key, given in attributes.items():
            if not key.startswith(start) or given != given:
                continue
            assert type(given) in (str, bool, int, float)
            column = of_row[key.removeprefix(start)]
            if column.codes is None:
                assert unwrap(column.numbers).tolist() == [float(given)]
            else:
                assert [column.categories[code] for code in column.codes] == [str(given)]
