"""What a baseline knows beside its bins: given, kept in its JSON, refused when damaged, silent where rules say so."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
from driftline import Baseline, Privacy
from driftline.baseline.baseline import protect_baseline
from driftline.baseline.sections.catalogue import PIECES, Extras
from driftline.baseline.sections.importance import Importance

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
    ("importance", "message"),
    [
        ({"agee": 1.0}, "importance: 'agee' is no feature; the features are age, plan, income"),
        ([1.0], "importance has 1 numbers for 3 features"),
        ({"age": float("nan")}, "importance: that of 'age' is nan; leave the feature out where it is unknown"),
    ],
)
def test_importance_that_fits_no_feature_is_refused(importance: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        built(importance=importance)


def test_ranges_are_those_of_finite_numbers() -> None:
    ranges = built().extras.ranges
    assert ranges is not None
    assert ranges.of["age"] == (0.0, 99.5)
    assert "plan" not in ranges.of


def test_a_baseline_with_extras_survives_json() -> None:
    baseline = built(importance=[3, 2, 1])
    assert json.loads(baseline.to_json())["schema"] == "driftline.baseline/3"
    again = Baseline.from_json(baseline.to_json())
    assert again.extras == baseline.extras
    assert again.digest == baseline.digest


@pytest.mark.parametrize("version", [1, 2])
def test_older_baselines_are_read_and_keep_their_digest(version: int) -> None:
    root = json.loads(built(text_features=["plan"] if version == 2 else ()).to_json())
    del root["extras"]
    root["schema"] = f"driftline.baseline/{version}"
    text = json.dumps(root, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    older = Baseline.from_json(text)
    assert older.to_json() == text
    assert older.extras == Extras()


def test_a_piece_that_a_newer_version_wrote_is_kept_as_it_is() -> None:
    text = broken("moons", {"phase": [1, 2]})
    assert Baseline.from_json(text).extras.unread == {"moons": {"phase": [1, 2]}}
    assert json.loads(Baseline.from_json(text).to_json()) == json.loads(text)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("importance", [1], "extras.importance: must be an object, not list"),
        ("importance", {"age": -1}, "extras.importance: that of 'age' must be a finite number, not negative"),
        ("importance", {"age": 10**400}, "extras.importance: "),
        ("ranges", {"age": [2, 1]}, "extras.ranges: that of 'age' must be [least, greatest]"),
        ("ranges", {"plan": [1, 2]}, "extras.ranges: 'plan' is no feature that is a number"),
        ("ranges", {"age": [1, "x"]}, "extras.ranges: must be a list of numbers"),
    ],
)
def test_a_damaged_piece_is_named(key: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        Baseline.from_json(broken(key, value), where="churn.json")
    assert str(raised.value).startswith("churn.json: extras.")
    assert str(raised.value).endswith("; the file is damaged or edited: build the baseline anew")


def test_every_key_of_the_extras_is_a_field_that_something_reads_and_writes() -> None:
    assert {*PIECES, "unread"} == set(Extras.__dataclass_fields__)
    assert not Extras()


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
