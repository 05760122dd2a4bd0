"""What a baseline knows beside its bins: given, kept in its JSON, refused when damaged, silent where rules say so."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
from driftline import Baseline, Privacy
from driftline.baseline.baseline import protect_baseline
from driftline.baseline.codec import to_json
from driftline.baseline.sections.catalogue import Extras
from driftline.baseline.sections.importance import Importance

from tests.support.facts import Facts, in_order

N = 200


def built(**changes: Any) -> Baseline:
    rng = np.random.default_rng(8)
    X = {"age": np.arange(N) / 2, "plan": rng.choice(["basic", "pro"], N), "income": rng.normal(3_000, 500, N)}
    arguments: dict[str, Any] = {"score": rng.random(N), "model": "churn", "task": "binary"}
    return Baseline.from_frame(X, **(arguments | changes))


def broken(key: str, value: object) -> str:
    root = json.loads(built(importance=[3, 2, 1]).to_json())
    root["extras"][key] = value
    return json.dumps(root)


def test_importance_is_given_by_name_or_in_the_order_of_the_features() -> None:
    named = built(importance={"age": 3, "plan": 2, "income": 1})
    assert named.extras.importance == Importance({"age": 3.0, "plan": 2.0, "income": 1.0})
    assert built(importance=np.array([3, 2, 1])).to_json() == named.to_json()
    assert built().extras.importance is None


@pytest.mark.parametrize(
    ("importance", "facts"),
    [
        ({"agee": 1.0}, ("importance:", "'agee'", "age, plan, income")),
        ([1.0], ("1 numbers", "3 features")),
        ({"age": float("nan")}, ("importance:", "'age'")),
    ],
)
def test_importance_that_fits_no_feature_is_refused(importance: Any, facts: Facts) -> None:
    with pytest.raises(ValueError, match=in_order(*facts)):
        built(importance=importance)


def test_ranges_are_those_of_finite_numbers() -> None:
    ranges = built().extras.ranges
    assert ranges is not None
    assert ranges.by_feature["age"] == (0.0, 99.5)
    assert "plan" not in ranges.by_feature


def test_a_baseline_with_extras_survives_json() -> None:
    baseline = built(importance=[3, 2, 1])
    again = Baseline.from_json(baseline.to_json())
    assert to_json(again.extras) == to_json(baseline.extras)
    assert again.digest == baseline.digest


def test_unknown_sections_and_fields_are_ignored() -> None:
    root = json.loads(broken("moons", {"phase": [1, 2]}))
    root["extras"]["ranges"]["median"] = root["color"] = {"age": 3}
    assert Baseline.from_json(json.dumps(root)).to_json() == built(importance=[3, 2, 1]).to_json()


def test_optional_fields_that_are_missing_have_their_defaults() -> None:
    root = json.loads(built().to_json())
    for name in ("extras", "texts", "columns", "provisional"):
        del root[name]
    read = Baseline.from_json(json.dumps(root))
    assert (read.extras, read.texts, read.columns, read.provisional) == (Extras(), {}, {}, False)


@pytest.mark.parametrize(
    ("key", "value", "place"),
    [
        ("importance", [1], "importance: "),
        ("importance", {"by_feature": {"age": -1}}, "importance: the entry of 'age'"),
        ("importance", {"by_feature": {"age": 10**400}}, "importance.by_feature.age: "),
        ("ranges", {"by_feature": {"age": [2, 1]}}, "ranges: the entry of 'age'"),
        ("ranges", {"by_feature": {"plan": [1, 2]}}, "ranges: 'plan'"),
        ("ranges", {"by_feature": {"age": [1, "x"]}}, "ranges.by_feature.age.1: "),
        ("marks", {"by_feature": {"age": "color"}}, "marks: the entry of 'age'"),
        ("repeats", {"rows": 3, "distinct": 4}, "repeats: "),
        ("period", {"first": 4, "last": 3}, "period: "),
    ],
)
def test_a_damaged_section_is_named(key: str, value: object, place: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"churn.json: extras.{place}")) as raised:
        Baseline.from_json(broken(key, value), where="churn.json")
    assert str(raised.value).endswith("build the baseline again")


def test_nothing_that_tells_a_value_leaves_of_a_feature_under_a_rule() -> None:
    privacy = Privacy(deny=("age",), round={"income": 1000})
    extras = protect_baseline(built(importance=[3, 2, 1]), privacy).extras
    assert extras.ranges is None
    assert extras.importance == Importance({"plan": 2.0, "income": 1.0})


def test_the_fold_is_that_of_the_bins_and_of_nothing_else() -> None:
    one = built(importance=[3, 2, 1])
    other = built(version="2", score=np.random.default_rng(8).permutation(N) / N, classes=[0, 1], threshold=0.3)
    assert one.fold == built().fold
    assert one.digest != built().digest
    assert one.fold != other.fold  # the score has other bins
    assert Baseline.from_json(one.to_json()).fold == one.fold
