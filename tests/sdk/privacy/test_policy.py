"""What each privacy rule makes of a value, wherever it stands: in a row, a batch, a slice, a baseline, an id."""

# ruff: noqa: ARG001, ARG005 - functions that predict the same whatever they are given

from __future__ import annotations

import copy
import hashlib
import json
import pickle
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import driftline
import driftline.testing
import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import protect_baseline
from driftline.batch.conversion import list_of
from driftline.inputs.texts_and_vectors import short_text
from driftline.panes.bins import NumberBins, count, number_bins
from driftline.privacy.policy import Privacy, rules_in_force
from driftline.privacy.rules import COMMON_VALUES, Round
from driftline.tables.column_codec import strings
from driftline.tables.table import Column
from hypothesis import given
from hypothesis import strategies as st

from tests.support.facts import Facts, in_order, lacking
from tests.support.service import Service, returns
from tests.support.unwrap import unwrap

KEY = "0123456789abcdef"


def hashed(text: str, size: int = 8) -> str:
    return hashlib.blake2b(text.encode(), digest_size=size, key=KEY.encode()).hexdigest()


def halves(batch: Any) -> list[float]:
    return [0.5] * len(batch)


RULES = Privacy(deny=("ssn",), hash=("*email*", "city"), round={"income": 1000, "born": timedelta(days=365)}, key=KEY)


def test_a_row_leaves_as_the_rules_say_in_span_and_record(service: Service) -> None:
    churn = service.model(privacy=RULES)
    score = churn.predict(returns(0.25), slices=("city", "ssn"))
    row = {"ssn": "078-05-1120", "email": "a@b.no", "income": 73_412.37, "age": 31, "city": "Oslo"}
    for _ in range(2):  # the first call goes the general way, later ones the quick way
        score(row)

    wanted = {"email": hashed("a@b.no"), "income": 73_000.0, "age": 31, "city": hashed("Oslo")}
    prefix = "driftline.feature.value."
    for span in service.spans:
        attributes = dict(span.attributes or {})
        features = {k.removeprefix(prefix): v for k, v in attributes.items() if k.startswith(prefix)}
        assert features == wanted
        assert {k: v for k, v in attributes.items() if k.startswith("driftline.slice.")} == {
            "driftline.slice.value.city": hashed("Oslo")
        }
    table = service.table()
    assert {name: list_of(column) for name, column in table.features.items()} == {
        name: [value] * 2 for name, value in wanted.items()
    }
    assert {name: list_of(column) for name, column in table.slices.items()} == {"city": [hashed("Oslo")] * 2}


@pytest.mark.parametrize("kind", ["frame", "dicts"])
def test_a_batch_leaves_as_the_rules_say(service: Service, kind: str) -> None:
    score = service.model(privacy=RULES).predict(halves, slices=("city",))
    rows = [
        {"ssn": "078-05-1120", "email": "a@b.no", "income": 73_412.37, "age": 31, "city": "Oslo"},
        {"ssn": "219-09-9999", "email": None, "income": 500.0, "age": 64, "city": "Rome"},
    ]
    score(pd.DataFrame(rows) if kind == "frame" else rows)

    table = service.table()
    assert {name: list_of(column) for name, column in table.features.items()} == {
        "email": [hashed("a@b.no"), None],
        "income": [73_000.0, 1_000.0],
        "age": [31, 64],
        "city": [hashed("Oslo"), hashed("Rome")],
    }
    assert list_of(table.slices["city"]) == [hashed("Oslo"), hashed("Rome")]


@pytest.mark.parametrize(
    "values",
    [
        [17, 17, 18],
        [17.0, 17.0, 18.5],
        [True, True, False],
        ["17", "17", "a"],
        [17, "17", None],
        [None, float("nan"), 1.5],
    ],
    ids=str,
)
def test_a_value_has_one_hash_in_a_row_and_in_a_batch(values: list[Any]) -> None:
    from driftline.inputs.values import column_of_values

    rule = unwrap(Privacy(hash=("x",), key=KEY).rule("x"))
    column = rule.column(column_of_values(values))
    assert isinstance(column, Column)
    assert list_of(column) == [rule.value(value) for value in values]


def test_a_hash_is_of_the_text_that_a_baseline_would_show() -> None:
    rule = unwrap(Privacy(hash=("x",), key=KEY).rule("x"))
    assert [rule.value(value) for value in (17, 17.0, "17")] == [hashed("17")] * 3
    assert [rule.value(value) for value in (True, None, float("nan"), [1])] == [hashed("1"), None, None, None]


@given(
    st.floats(allow_nan=False, allow_infinity=False, width=64) | st.integers(-(2**63), 2**63 - 1),
    st.floats(1e-6, 1e12),
)
def test_rounding_one_value_is_rounding_a_column(value: float, step: float) -> None:
    rule = Round(step)
    column = rule.column(np.array([value], np.float64))
    assert isinstance(column, np.ndarray)
    assert column.tolist() == [rule.value(float(value))]


@given(st.floats(-1e9, 1e9), st.floats(1e-3, 1e6))
def test_a_rounded_value_is_the_nearest_multiple(value: float, step: float) -> None:
    rounded = Round(step).value(value)
    assert abs(rounded - value) <= step / 2 * (1 + 1e-6) + 1e-6
    assert rounded == pytest.approx(round(rounded / step) * step)


def test_a_text_and_a_missing_value_cannot_be_rounded() -> None:
    assert [Round(10.0).value(value) for value in ("12.5", None)] == [None, None]
    mixed = Round(10.0).column(Column(np.array([12.5, np.nan]), np.array([-1, 0], np.int32), ("73412",)))
    assert isinstance(mixed, np.ndarray)
    np.testing.assert_array_equal(mixed, [10.0, np.nan])


@pytest.mark.parametrize(
    ("rules", "name", "allowed"),
    [
        ({"deny": ("ssn",)}, "ssn", False),
        ({"deny": ("*ssn*",)}, "old_ssn_2", False),
        ({"deny": ("SSN",)}, "ssn", True),
        ({"deny": ("f[0]",)}, "f[0]", False),
        ({"allow": ("age", "income*")}, "income_2026", True),
        ({"allow": ("age",)}, "income", False),
        ({"allow": ("*",), "deny": ("income",)}, "income", False),
        ({"allow": ()}, "age", False),
    ],
    ids=str,
)
def test_deny_wins_over_allow_and_names_may_be_patterns(rules: dict[str, Any], name: str, allowed: bool) -> None:
    assert Privacy(**rules).allows(name) is allowed


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"deny": "ssn"},
            TypeError,
            r"Privacy\(deny=\) must be a sequence of names such as deny=\('email',\), not a str",
        ),
        ({"allow": [1]}, TypeError, r"Privacy\(allow=\) must contain names of features, which are strings, not 1"),
        ({"round": {"x": 0}}, ValueError, r"the step of 'x' must be a positive number or a timedelta, not 0"),
        ({"round": {"x": True}}, ValueError, r"the step of 'x' must be a positive number or a timedelta, not True"),
        ({"round": ["x"]}, TypeError, r"must be a step for each name, such as round=\{'income': 1000\}, not a list"),
        ({"hash": ["x"]}, ValueError, r"hashing requires a key.*set DRIFTLINE_PRIVACY_KEY"),
        ({"hash_id": True}, ValueError, r"hashing requires a key"),
        ({"hash_id": "false"}, TypeError, r"Privacy\(hash_id=\) must be True or False, not a str"),
        ({"hash": ["x"], "key": "short"}, ValueError, r"a key must have at least 16 bytes, but this key has 5"),
        ({"hash": ["x"], "round": {"x": 1}, "key": KEY}, ValueError, r"'x' is both hashed and rounded"),
    ],
)
def test_a_rule_that_cannot_hold_is_refused_with_the_fix(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Privacy(**arguments)


def test_a_key_shows_itself_nowhere() -> None:
    for text in (repr(RULES), str(RULES), repr(RULES.key), f"{RULES.key}", repr(vars(RULES))):
        assert KEY not in text
    assert KEY.encode() not in pickle.dumps(RULES)
    with pytest.raises(TypeError, match="a key cannot be pickled"):
        pickle.dumps(RULES.key)


def test_rules_are_equal_by_what_they_say() -> None:
    assert Privacy(hash=("x",), key=KEY) == Privacy(hash=["x"], key=KEY.encode())
    assert Privacy(hash=("x",), key=KEY) != Privacy(hash=("x",), key=KEY + "0")
    assert len({Privacy(round={"x": 1}), Privacy(round={"x": 1.0})}) == 1


def test_the_environment_fills_in_what_the_code_leaves_open_and_its_deny_always_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = {
        "ALLOW": "age, income",
        "DENY": "ssn,*phone*",
        "HASH": "email",
        "ROUND": "income=1000,age=5",
        "KEY": KEY,
    }
    for name, value in environment.items():
        monkeypatch.setenv(f"DRIFTLINE_PRIVACY_{name}", value)

    assert rules_in_force(None) == Privacy(
        allow=("age", "income"), deny=("ssn", "*phone*"), hash=("email",), round={"income": 1000, "age": 5}, key=KEY
    )
    code = Privacy(allow=("ssn", "email"), round={"email": 2})
    assert rules_in_force(code) == Privacy(allow=("ssn", "email"), deny=("ssn", "*phone*"), round={"email": 2})
    assert not rules_in_force(code).allows("ssn")


@pytest.mark.parametrize(
    ("variable", "value", "facts"),
    [
        ("DRIFTLINE_PRIVACY_ROUND", "income", ("DRIFTLINE_PRIVACY_ROUND:", "'income'")),
        ("DRIFTLINE_PRIVACY_ROUND", "income=-1", ("DRIFTLINE_PRIVACY_ROUND:", "'income=-1'")),
        ("DRIFTLINE_PRIVACY_HASH", "email", ("hashing requires a key",)),
        ("DRIFTLINE_PRIVACY_HASH_ID", "yes", ("DRIFTLINE_PRIVACY_HASH_ID:", "'yes'")),
        ("DRIFTLINE_SPAN_FEATURES", "off", ("DRIFTLINE_SPAN_FEATURES:", "'off'")),
        ("DRIFTLINE_CAPTURE", "all", ("DRIFTLINE_CAPTURE:", "'all'", "'features'", "'scores'", "'none'")),
    ],
)
def test_an_environment_that_cannot_hold_is_refused_where_the_model_is_made(
    service: Service, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, facts: Facts
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=in_order(*facts)):
        service.model()


def test_a_model_takes_rules_and_nothing_else(service: Service) -> None:
    with pytest.raises(TypeError, match=r"Model\(privacy=\) must be driftline.Privacy\(deny=.* not a dict"):
        service.model(privacy={"deny": ["ssn"]})


def test_hashed_ids_join_with_hashed_outcomes(service: Service) -> None:
    churn = service.model(privacy=Privacy(hash_id=True, key=KEY))
    made_up = []

    @churn.predict(id="order")
    def score(row: dict[str, Any]) -> float:
        prediction = unwrap(driftline.current())
        made_up.append(prediction.id)
        return 0.25

    score({"order": "A-1", "x": 1.0})
    score({"order": "A-1", "x": 1.0})
    score({"x": 1.0})
    churn.predict(halves, id="order")(pd.DataFrame({"order": ["B-1", "B-2"]}))
    for text in ("A-1", made_up[2], "B-2"):
        churn.outcome(text, actual=1)

    assert made_up[:2] == ["A-1", "A-1"]
    ids = [text for table in service.tables() for text in strings(table.id)]
    assert sorted(ids) == sorted([hashed("A-1", 16)] * 2 + [hashed(text, 16) for text in (made_up[2], "B-1", "B-2")])
    (outcomes,) = service.outcomes()
    assert strings(outcomes.id) == [hashed(text, 16) for text in ("A-1", made_up[2], "B-2")]
    spans = [dict(span.attributes or {})["ml.prediction.id"] for span in service.spans]
    assert spans[:3] == [hashed("A-1", 16)] * 2 + [hashed(made_up[2], 16)]


@pytest.mark.parametrize("rules", [{"deny": ("who",)}, {"hash": ("who",), "key": KEY}, {"round": {"who": 10}}])
def test_a_field_with_a_rule_is_no_id_and_no_time(
    service: Service, caplog: pytest.LogCaptureFixture, rules: dict[str, Any]
) -> None:
    churn = service.model(privacy=Privacy(**rules))
    churn.predict(returns(0.25), id="who")({"who": 1_600_000_001, "x": 1.0})
    churn.predict(lambda row, who: 0.25, id="who")({"x": 1.0}, 1_600_000_001)
    churn.predict(halves, id="who")([{"who": 1_600_000_001, "x": 1.0}])
    churn.predict(returns(0.25), time="who")({"who": 1_600_000_001, "x": 1.0})

    tables = service.tables()
    assert not [text for table in tables for text in strings(table.id) if "1600000001" in text]
    assert {int(time) for table in tables for time in table.time} == {1_795_161_600_000_000_000}
    assert "churn reads its id from 'who', which has a privacy rule, so ids are generated instead" in caplog.text
    assert "churn reads its time from 'who', which has a privacy rule" in caplog.text


def test_an_allow_list_leaves_id_and_time_in_peace(service: Service) -> None:
    churn = service.model(privacy=Privacy(allow=("x",)))
    row = {"order": "A-1", "at": 1_600_000_000, "x": 1.0, "y": 2.0}
    churn.predict(returns(0.25), id="order", time="at")(row)
    churn.predict(halves, id="order", time="at")([row])

    for table in service.tables():
        assert strings(table.id) == ["A-1"] * len(table)
        assert set(table.time.tolist()) == {1_600_000_000 * 10**9}
        assert list(table.features) == ["x"]


def test_the_rules_of_both_layers_hold_where_one_fills_the_other(service: Service) -> None:
    outer_model = service.model(privacy=Privacy(deny=("email",)))
    inner_model = service.model(privacy=Privacy(deny=("ssn",)))
    row = {"email": "a@b.no", "ssn": "078", "x": 1.0}
    inner_row = inner_model.predict(returns(0.25), slices=("email",))
    inner_batch = inner_model.predict(halves)

    @outer_model.predict(features=lambda call: None)
    def nothing(call: Callable[[], Any]) -> Any:
        return call()

    nothing(lambda: inner_row(row))
    nothing(lambda: inner_batch([row, row])[0])

    assert {
        k for s in service.spans for k in s.attributes or {} if "driftline.feature" in k or "driftline.slice" in k
    } == {"driftline.feature.value.x"}
    for table in service.tables():
        assert {name: list_of(values)[0] for name, values in table.features.items()} in (
            {"ssn": None, "x": 1.0},
            {"x": 1.0},
        )
        assert table.slices == {}


def baseline() -> driftline.Baseline:
    rng = np.random.default_rng(7)
    frame = {
        "ssn": [f"{i:03}" for i in range(100)] * 10,
        "city": np.array(["Oslo", "Rome"])[rng.integers(0, 2, 1000)],
        "income": rng.normal(50_000, 9_000, 1000),
        "children": rng.integers(0, 4, 1000) + 0.25,
        "number": rng.integers(0, 10_000, 1000),
        "age": rng.normal(40, 5, 1000),
    }
    return driftline.Baseline.from_frame(frame, score=rng.random(1000), model="churn", task="binary")


def test_a_baseline_says_no_more_than_the_rules_let_it() -> None:
    rules = Privacy(deny=("ssn",), hash=("city", "number"), round={"income": 1000, "children": 1}, key=KEY)
    before = baseline()
    after = protect_baseline(before, rules)

    assert list(after.bins.features) == ["city", "income", "children", "age"]
    gone = {"feature:ssn", "feature:number", "tails:income", "tails:number", "pca", "pairs"}
    assert set(after.pane.parts) == set(before.pane.parts) - gone
    assert set(getattr(after.bins.features["city"], "categories")) == {hashed("Oslo"), hashed("Rome")}  # noqa: B009
    np.testing.assert_array_equal(after.pane.parts["feature:city"], before.pane.parts["feature:city"])
    for name, step in (("income", 1000), ("children", 1)):
        edges = getattr(after.bins.features[name], "edges")  # noqa: B009
        np.testing.assert_array_equal(edges / step % 1, 0.5)
        assert after.pane.parts[f"feature:{name}"].sum() == before.pane.parts[f"feature:{name}"].sum()
    assert after.bins.features["age"] == before.bins.features["age"]
    assert driftline.Baseline.from_json(after.to_json()).digest == after.digest
    assert protect_baseline(before, Privacy()) is before


def test_a_baseline_keeps_no_vocabulary_of_a_denied_text() -> None:
    frame = {"message": [f"where is my parcel number {i}" for i in range(100)], "age": np.arange(100.0)}
    before = driftline.Baseline.from_frame(frame, score=np.linspace(0, 1, 100), model="churn", task="binary")
    after = protect_baseline(before, Privacy(deny=("message",)))

    assert list(before.texts) == ["message"]
    assert (dict(after.texts), list(after.bins.features)) == ({}, ["age"])
    assert "message" not in after.to_json()


def test_a_long_text_has_one_hash_in_a_row_and_in_a_batch(service: Service) -> None:
    model = service.model(privacy=Privacy(hash=("note",), key=KEY))
    note = "a long note " * 100
    model.predict(returns(0.25))({"note": note})
    model.predict(halves)([{"note": note}, {"note": note}])
    model.predict(halves)(pd.DataFrame({"note": [note]}))

    found = {value for table in service.tables() for value in list_of(table.features["note"])}
    assert found == {hashed(short_text(note))}


def test_rounded_rows_fall_into_the_rounded_bins_of_their_baseline() -> None:
    before = baseline()
    after = protect_baseline(before, Privacy(round={"income": 500, "children": 1, "age": 0.01}))
    rng = np.random.default_rng(7)
    rng.integers(0, 2, 1000)
    income = rng.normal(50_000, 9_000, 1000)
    children = rng.integers(0, 4, 1000) + 0.25
    for name, step, values, most in (("income", 500.0, income, 0.08), ("children", 1.0, children, 0.0)):
        rounded = Round(step).column(values)
        assert isinstance(rounded, np.ndarray)
        now = count(after.bins.features[name], Column(numbers=rounded)) / 1000
        then = after.pane.parts[f"feature:{name}"] / 1000
        assert np.abs(np.cumsum(now) - np.cumsum(then)).max() <= most


def test_a_model_announces_the_protected_baseline(service: Service) -> None:
    from driftline_processor.core.decode.requests import decode_logs

    rules = Privacy(deny=("ssn",), hash=("city",), round={"income": 1000}, key=KEY)
    model = service.model(baseline=baseline(), privacy=rules)
    service.flush()

    (sent,) = [text for body in service.channel.bodies for text in decode_logs(body, 1).baselines]
    assert sent == protect_baseline(baseline(), rules).to_json()
    score = model.predict(halves)
    score(np.array([["078", "Oslo", 1.0, 2.0, 3.0, 4.0]], object))  # columns are named by the whole baseline
    table = service.tables()[-1]
    assert list(table.features) == ["city", "income", "children", "number", "age"]


def test_the_keys_of_a_result_are_counted_in_the_log_where_values_may_not_leave(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    model = service.model(privacy=Privacy(deny=("ssn",)))
    model.predict(returns({"jane@example.org": 0.25, "joe@example.org": 0.5}))({"age": 31})
    model.predict(returns({"jane@example.org": 0.25}), score="probability")({"age": 31})
    service.flush()

    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        "driftline: churn.<lambda> returned a dict of 2; specify how to read the result: "
        "@churn.predict(score=lambda result: ..., predicted=lambda result: ...)",
        "driftline: churn.<lambda>: recorded a dict with keys ['age'] as one row, a dict of 2 could not be read",
        "driftline: churn.<lambda> returned a dict of 1 without 'probability'; specify how to read the result: "
        "@churn.predict(score=lambda result: ..., predicted=lambda result: ...)",
        "driftline: churn.<lambda>: recorded a dict with keys ['age'] as one row, a dict of 1 could not be read",
    ]


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy], ids=["deepcopy", "copy"])
def test_a_copied_model_keeps_rules_and_key(service: Service, copied: Any) -> None:
    model = copied(driftline.Model("copied", task="binary", privacy=RULES, capture="scores"))
    assert model._identity.privacy == RULES
    assert model._identity.capture == "scores"


def test_a_pickled_model_takes_its_key_from_the_environment_or_sends_nothing_of_what_is_hashed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rules = Privacy(deny=("ssn",), hash=("email",), round={"income": 1000}, key=KEY, hash_id=True)
    data = pickle.dumps(driftline.Model("pickled", task="binary", privacy=rules))
    assert KEY.encode() not in data

    stranded = pickle.loads(data)._identity
    assert not stranded.privacy.allows("email")
    assert stranded.hash_id("A-1") not in ("A-1", hashed("A-1", 16))
    assert lacking(caplog.text, "'email'", "DRIFTLINE_PRIVACY_KEY") == []

    monkeypatch.setenv("DRIFTLINE_PRIVACY_KEY", KEY)
    assert pickle.loads(data)._identity.privacy == rules


def numbers_of(value: Any) -> Iterator[float]:
    """Yield every number of a JSON document."""
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from numbers_of(one)
    elif isinstance(value, int | float):
        yield float(value)


@pytest.mark.parametrize(
    ("capture", "told"),
    [("features", {-7_654_321.25, 98_765_432.125, 17.75}), ("scores", set()), ("none", set())],
)
def test_below_features_a_baseline_tells_no_value_of_a_single_row(
    service: Service, capture: Any, told: set[float]
) -> None:
    from driftline_processor.core.decode.requests import decode_logs

    rng = np.random.default_rng(7)
    income, children = rng.normal(50_000, 9_000, 3000), rng.integers(0, 4, 3000) + 0.25
    income[[17, 18]], children[17] = (98_765_432.125, -7_654_321.25), 17.75
    frame = {"income": income, "children": children}
    reference = driftline.Baseline.from_frame(frame, score=rng.random(3000), model="churn", task="binary")
    service.model(baseline=reference, capture=capture)
    service.flush()

    (sent,) = [text for body in service.channel.bodies for text in decode_logs(body, 1).baselines]
    near = np.array(list(numbers_of(json.loads(sent))))
    assert {one for one in (-7_654_321.25, 98_765_432.125, 17.75) if np.isclose(near, one, rtol=1e-5).any()} == told
    assert np.isclose(near, 2.25, rtol=1e-5).any()  # which hundreds of rows had
    arrived = driftline.Baseline.from_json(sent)
    for name in frame:
        assert arrived.pane.parts[f"feature:{name}"].sum() == 3000


@given(
    st.lists(st.tuples(st.integers(-60, 60), st.integers(1, 14)), min_size=1, max_size=30, unique_by=lambda one: one[0])
)
def test_a_value_of_few_rows_has_no_bin_and_one_of_many_keeps_its_own(rows: list[tuple[int, int]]) -> None:
    values = np.repeat([value / 4 for value, _ in rows], [times for _, times in rows])
    before = number_bins(values)
    counts = count(before, Column(numbers=values))
    after, moved = COMMON_VALUES.bins(before, counts)

    assert isinstance(after, NumberBins)
    assert moved.sum() == len(values)
    np.testing.assert_array_equal(moved, count(after, Column(numbers=values)))  # as rows fall into them
    for value, times in rows:
        told = bool(np.isclose(after.edges, value / 4, rtol=1e-6, atol=1e-9).any())
        assert told is (times >= 10)


BIG = 1234567890123456789


@pytest.mark.parametrize(
    "said",
    [[BIG, BIG + 1], [BIG, None], [BIG, "x"], [np.int64(BIG), np.int64(BIG + 1)], [np.int64(BIG), None]],
)
def test_whole_numbers_of_slices_keep_their_digits(said: list[Any]) -> None:
    model = driftline.Model("digits", task="binary")

    @model.predict(features="row", slices=lambda **said: {"customer": said["customer"]})
    def score(row: dict[str, float], customer: object) -> float:
        return row["a"] if customer is None else 0.25

    with driftline.testing.capture() as captured:
        for customer in said:
            score(row={"a": 1.0}, customer=customer)
    assert [str((one.slices or {}).get("customer")) for one in captured.predictions] == [str(one) for one in said]
