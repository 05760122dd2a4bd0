"""Nothing that a rule keeps back leaves the process: in no signal, attribute, message or log line, in no encoding.

Each test plants values that are known again (markers.py) where people have them, and looks through everything that
left. The first test plants them with no rule set, and finds them: so the search can find them.
"""

# ruff: noqa: ARG001, ARG005 - functions that predict the same whatever they are given

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import make_dataclass
from typing import Any

import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest
from driftline import Baseline, Model, Privacy
from driftline.batch import conversion
from driftline.capture import prediction_span as span
from driftline.export import records
from driftline.faults import FAULTS, Faults
from scipy import sparse

from tests.support.privacy_markers import KEY, RULES, SECRETS, ProcessOutput
from tests.support.privacy_markers import output as output
from tests.support.service import Service, returns

OPEN = {"open": 1.5, **{name: value for name, value in SECRETS.items() if name != "failing"}}
SCALARS = ("text", "long", "number", "single", "integer", "flag", "bytes", "born", "kind")


def predict(model: Model, **options: Any) -> Any:
    return model.predict(returns(0.25), **options)


def row(model: Model) -> None:
    score = predict(model, id="order")
    for _ in range(2):  # the general way, then the quick one
        score({"order": "A-1", **OPEN})


def block(model: Model) -> None:
    with model.prediction(features=OPEN, id="A-1") as p:
        p.score = 0.25


def instance(model: Model) -> None:
    predict(model)(make_dataclass("Order", OPEN)(**OPEN))


def scalars(model: Model) -> None:
    def price(open: float, text: str, number: float, born: Any, kind: Any) -> float:
        return 0.25

    model.predict(price, features=("open", "text", "number", "born", "kind"))(
        1.5, *(SECRETS[name] for name in ("text", "number", "born", "kind"))
    )


def series(model: Model) -> None:
    predict(model)(pd.Series({name: OPEN[name] for name in ("open", *SCALARS)}, dtype=object))


def dicts(model: Model) -> None:
    model.predict(halves)([OPEN, OPEN])


def frame(model: Model) -> None:
    model.predict(halves)(pd.DataFrame({name: [value, value] for name, value in OPEN.items()}))


def numbers(model: Model) -> None:
    frame = pd.DataFrame({name: [OPEN[name]] * 3 for name in ("open", "number", "single", "integer", "flag")})
    model.predict(halves)(frame)


def array(model: Model) -> None:
    names = ("open", *SCALARS)
    values = np.empty((2, len(names)), object)
    values[:] = [OPEN[name] for name in names]
    named = Model(
        "array", task="binary", feature_names=names, tracer_provider=model._identity.tracer_provider,
        capture=model._identity.capture, privacy=model._identity.privacy, channel=CHANNEL[0],
    )  # fmt: skip
    named.predict(halves)(values)


def polars_frame(model: Model) -> None:
    fields = {name: OPEN[name] for name in ("open", "text", "number", "integer", "flag", "born")}
    model.predict(halves)(polars.DataFrame([fields, fields]))


def arrow_table(model: Model) -> None:
    fields = {name: OPEN[name] for name in ("open", "text", "number", "integer", "flag", "born")}
    model.predict(halves)(pyarrow.Table.from_pylist([fields, fields]))
    model.predict(halves)(pyarrow.RecordBatch.from_pylist([fields, fields]))


def sparse_matrix(model: Model) -> None:
    names = ("open", "number", "single")
    named = Model(
        "sparse", task="binary", feature_names=names, tracer_provider=model._identity.tracer_provider,
        capture=model._identity.capture, privacy=model._identity.privacy, channel=CHANNEL[0],
    )  # fmt: skip
    named.predict(lambda X: [0.5] * X.shape[0])(sparse.csr_array([[OPEN[name] for name in names]] * 2))


def slices(model: Model) -> None:
    fields = {name: OPEN[name] for name in ("open", *SCALARS)}
    predict(model, slices=("text", "number", "kind"))(fields)
    predict(model, slices=lambda row: fields)({"x": 1.0})
    model.predict(halves, slices=lambda batch: {name: [value] * 2 for name, value in fields.items()})([{"x": 1.0}] * 2)
    model.predict(halves, slices=("text", "number"))(pd.DataFrame([fields, fields]))
    with model.prediction(features={"x": 1.0}, slices=fields) as p:
        p.score = 0.25


def exceptions(model: Model) -> None:
    @model.predict
    def fails(row: dict[str, Any]) -> float:
        raise LookupError(str(row)) from ValueError(repr(row))

    @model.predict
    def steps(row: dict[str, Any]) -> Iterator[float]:
        yield 0.25
        raise LookupError(str(row))

    for _ in range(2):
        with contextlib.suppress(LookupError):
            fails(OPEN)
        with contextlib.suppress(LookupError):
            list(steps(OPEN))
    with contextlib.suppress(LookupError), model.prediction(features=OPEN):
        raise LookupError(str(OPEN))
    with contextlib.suppress(LookupError):
        model.predict(lambda batch: fails(batch[0]))([OPEN])


def results(model: Model) -> None:
    for result in (OPEN, SECRETS["shown"], [SECRETS["shown"]], tuple(SECRETS.values())):
        model.predict(returns(result))({"x": 1.0})
    model.predict(returns(SECRETS["failing"]), score=lambda result: float(result))({"x": 1.0})
    model.predict(returns("MARK-text-7f3a91"))({"x": 1.0})


def selectors(model: Model) -> None:
    def fails(row: Any) -> Any:
        raise ValueError(str(OPEN))

    for role in ("features", "id", "time", "slices"):
        predict(model, **{role: fails})({"x": 1.0})


def texts(model: Model) -> None:
    identity = model._identity
    fields = {name: OPEN[name] for name in ("open", "text", "long")}
    known = Model(
        "texts", task="binary", text_features=("text", "long"), capture=identity.capture,
        privacy=identity.privacy, channel=CHANNEL[0], tracer_provider=identity.tracer_provider,
    )  # fmt: skip
    predict(known, slices=("text", "long"))(fields)
    known.predict(halves, slices=("text", "long"))([fields, fields])
    known.predict(halves)(pd.DataFrame([fields, fields]))


def hostile(model: Model) -> None:
    fields = {"open": 1.5, "failing": SECRETS["failing"]}
    for _ in range(2):
        predict(model)(fields)
    model.predict(halves)([fields, fields])
    model.predict(halves)(pd.DataFrame([fields, fields]))
    predict(model, slices=lambda row: fields)({"x": 1.0})


def ids_and_times(model: Model) -> None:
    fields = {"open": 1.5, "text": SECRETS["text"], "born": SECRETS["born"]}
    predict(model, id="text", time="born")(fields)
    model.predict(lambda open, text, born: 0.25, features=("open",), id="text", time="born")(*fields.values())
    model.predict(halves, id="text", time="born")(pd.DataFrame([fields, fields]))
    model.predict(halves, id="text", time="born")([fields, fields])
    model.predict(lambda open, text: 0.25, features=("open",), time="text")(1.5, SECRETS["text"])


def baseline(model: Model) -> None:
    rng = np.random.default_rng(2)
    frame = {
        "open": rng.random(1000),
        "text": [SECRETS["text"]] * 1000,
        "kind": ["MARK-enum-55d1ac", "other"] * 500,
        "number": np.append(rng.normal(70_000, 1000, 992), [SECRETS["number"]] * 8),
        "born": np.append(SECRETS["born"].timestamp() + rng.normal(0, 1000, 992), [SECRETS["born"].timestamp()] * 8),
    }
    known = Baseline.from_frame(frame, score=rng.random(1000), model="known", task="binary")
    identity = model._identity
    Model("known", baseline=known, capture=identity.capture, privacy=identity.privacy, channel=CHANNEL[0])


def outcomes(model: Model) -> None:
    odd = ({"time": SECRETS["text"]}, {"weight": SECRETS["text"]}, {"prediction_time": SECRETS["nested"]})
    for options in odd:
        FAULTS.reset()
        model.outcome("A-1", 1, **options)
    for actual in (SECRETS["shown"], SECRETS["failing"], SECRETS["nested"]):
        FAULTS.reset()
        model.outcome("A-1", actual)


def broken_inside(model: Model) -> None:
    """Let steps that hold values fail with an error that tells them."""

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise ValueError(str(OPEN))

    for home, name in (
        (conversion, "_singles"),
        (conversion, "_batch_of"),
        (span, "read_one"),
        (records, "log_record"),
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(home, name, broken)
            predict(model)(OPEN)
            model.predict(halves)([OPEN, OPEN])
            CHANNEL[1]()


def halves(batch: Any) -> list[float]:
    return [0.5] * len(batch)


CHANNEL: list[Any] = []
POSITIONS: tuple[Callable[[Model], None], ...] = (
    row, block, instance, scalars, series, dicts, frame, numbers, array, polars_frame, arrow_table, sparse_matrix,
    slices, texts, hostile, ids_and_times, baseline, exceptions, results, selectors, outcomes, broken_inside,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _channel(service: Service) -> Iterator[None]:
    CHANNEL[:] = [service.channel, service.flush]
    yield
    CHANNEL.clear()


def both(names: Iterable[str], *signals: str) -> set[tuple[str, str]]:
    return {(name, signal) for name in names for signal in signals}


SHORT = [name for name in SCALARS if name != "long"]
"""A text of more than 256 characters stays home unless it is declared, and then is on no span."""

NUMERIC = {"number", "single", "integer", "born"}
"""Of one row alone a sum is its value. Texts are named in distributions once they were seen ten times."""

PLANTED: dict[str, set[tuple[str, str]]] = {
    **dict.fromkeys(
        ("row", "block", "instance"),
        both(SHORT, "spans", "records") | {("vector", "records")} | both(NUMERIC, "distributions"),
    ),
    "series": both(SHORT, "spans", "records") | both(NUMERIC, "distributions"),
    "slices": both(SCALARS, "spans", "records") | both(NUMERIC, "distributions"),
    **dict.fromkeys(("dicts", "frame"), both((*SHORT, "vector"), "records") | both(NUMERIC, "distributions")),
    "polars_frame": both(("text", "number", "integer", "flag", "born"), "records")
    | both(("number", "integer", "born"), "distributions"),
    "arrow_table": both(("text", "number", "integer", "flag", "born"), "records")
    | both(("number", "integer", "born"), "distributions"),
    "sparse_matrix": both(("number", "single"), "records", "distributions"),
    "array": both(SHORT, "records") | both(NUMERIC, "distributions"),
    "scalars": both(("text", "number", "born", "kind"), "spans", "records") | both(("number", "born"), "distributions"),
    "numbers": both(("flag",), "records") | both(("number", "single", "integer"), "records", "distributions"),
    "texts": set(),
    "ids_and_times": both(("text", "born"), "spans", "records") - {("born", "spans")},
    "hostile": set(),
    "baseline": both(("text", "kind", "number", "born"), "records"),
    "exceptions": both((*SCALARS, "nested", "vector", "shown"), "spans")
    | both((*SHORT, "vector"), "records")
    | both(NUMERIC, "distributions"),
    "results": {("text", "spans"), ("text", "records"), ("text", "logs")},
    "selectors": set(),
    "outcomes": set(),
    "broken_inside": both(SHORT, "spans", "records") | {("vector", "records")} | both(NUMERIC, "distributions"),
}
for place in ("row", "block", "instance", "series", "dicts", "frame", "array", "exceptions", "broken_inside"):
    PLANTED[place] |= {("long", "records")}
"""What is found of each where no rule is set. A nested value and an object are no features."""

MEANT: dict[tuple[str, str], set[tuple[str, str]]] = {
    ("slices", "scores"): both(SCALARS, "spans", "records"),
    ("ids_and_times", "scores"): both(("text", "born"), "spans", "records"),
    ("ids_and_times", "none"): {("text", "spans")},
    ("ids_and_times", "allow"): both(("text", "born"), "spans", "records"),
    **{("baseline", level): PLANTED["baseline"] for level in ("scores", "none")},
    **{("results", rules): {("text", "spans"), ("text", "records")} for rules in RULES},
}
"""What leaves all the same: what was asked for as id, time or slice, the predicted class, and a baseline's bins."""


@pytest.mark.parametrize("position", POSITIONS, ids=lambda position: position.__name__)
def test_every_secret_is_found_where_no_rule_is_set(
    output: ProcessOutput, service: Service, position: Callable[[Model], None]
) -> None:
    model = service.model(metrics_channel=service.metrics)
    position(model)

    assert output.found() == PLANTED[position.__name__]


@pytest.mark.parametrize(
    ("position", "secret"),
    [
        (hostile, "failing"),
        (selectors, "text"),
        (outcomes, "failing"),
        (broken_inside, "shown"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_message_in_the_log_would_be_found(
    output: ProcessOutput,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    position: Callable[[Model], None],
    secret: str,
) -> None:
    monkeypatch.setattr(
        Faults, "swallow", lambda self, step, error: logging.getLogger("driftline").warning(step, exc_info=error)
    )
    model = service.model(privacy=Privacy(deny=("order",)), metrics_channel=service.metrics)
    position(model)

    assert (secret, "logs") in output.found()


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("position", POSITIONS, ids=lambda position: position.__name__)
def test_no_secret_leaves(
    output: ProcessOutput, service: Service, position: Callable[[Model], None], rules: str
) -> None:
    model = service.model(**RULES[rules], metrics_channel=service.metrics)
    position(model)

    found = output.found() - MEANT.get((position.__name__, rules), set())
    if rules in ("hash", "round"):  # something does stand for it there
        found = {(name, signal) for name, signal in found if name != "flag"}
    assert found == set()


@pytest.mark.parametrize("position", [row, block, dicts, frame, ids_and_times], ids=lambda value: value.__name__)
def test_no_id_leaves_where_ids_are_hashed(
    output: ProcessOutput, service: Service, position: Callable[[Model], None]
) -> None:
    model = service.model(
        privacy=Privacy(deny=("text", "born"), hash_id=True, key=KEY), metrics_channel=service.metrics
    )
    position(model)
    model.outcome(SECRETS["text"], actual=1)

    assert not {secret for secret, _ in output.found()} & {"text", "born"}
    assert b"A-1" not in b"".join(output.signals().values()).replace(b"MARK-1", b"")


@pytest.mark.parametrize("rules", RULES)
def test_the_features_without_a_rule_still_leave(service: Service, rules: str) -> None:
    row(service.model(**RULES[rules], metrics_channel=service.metrics))

    kept = {name for table in service.tables() for name in table.features}
    if rules in ("scores", "none", "deny by pattern"):
        assert kept == set()
    elif rules in ("deny", "allow"):
        assert kept == {"open"}
    else:
        assert kept == set(OPEN)
