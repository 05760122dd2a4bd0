"""Which methods decide and are shown: chosen per model and per feature, for the kinds that each compares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.fold import fold
from driftline.semconv.attributes import DRIFTLINE_DRIFT_METHOD
from driftline_processor.core.drift.method_choice import DECIDES, SHOWN, Choice, Choices, check_names
from driftline_processor.core.drift.methods import DECIDING, METHODS
from driftline_processor.core.drift.rule import Drift, drift

from tests.support.paths import ROOT
from tests.support.unwrap import unwrap


def rows(n: int, seed: int, **changes: Any) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    frame: dict[str, Any] = {
        "age": rng.normal(40, 12, n),
        "plan": rng.choice(["basic", "pro", "team"], n, p=[0.6, 0.3, 0.1]),
        "active": rng.random(n) < 0.3,
        "vector": rng.normal(size=(n, 8)).astype(np.float32),
        "score": rng.random(n),
    }
    return frame | changes


BASELINE = Baseline.from_frame(rows(20_000, 1), score="score", model="churn", task="binary")


def compared(choices: Choices, **changes: Any) -> Drift:
    table, *_ = table_from_frame(rows(2_000, 2, **changes), score="score", model="churn", task="binary")
    return drift(fold(table, BASELINE.bins), BASELINE, choices=choices)


def test_without_a_choice_each_kind_has_its_own_and_two_are_shown() -> None:
    found = compared(Choices())
    assert {name: tuple(column.methods) for name, column in found.features.items()} == {
        "age": ("ks", "psi", "js"),
        "plan": ("chi2", "psi", "js"),
        "active": ("chi2", "psi", "js"),
        "vector": ("mmd", "psi", "js"),
    }
    assert set(DECIDES.values()) | set(SHOWN) == {"ks", "chi2", "mmd", "psi", "js"}


def test_a_chosen_method_decides_for_the_kinds_that_it_compares() -> None:
    found = compared(Choices(Choice(("cramer_von_mises", "proportion"))))
    assert {name: column.decided_by for name, column in found.features.items()} == {
        "age": "cramer_von_mises",
        "plan": "chi2",
        "active": "proportion",
        "vector": "mmd",
    }
    assert (unwrap(found.score).decided_by, unwrap(found.predicted).decided_by) == ("cramer_von_mises", "proportion")
    assert found.features["age"].methods["cramer_von_mises"].p_value is not None
    assert "ks" not in found.features["age"].methods


def test_a_feature_has_its_choice_before_that_of_the_model() -> None:
    choices = Choices(
        Choice(("mean_shift",), ("hellinger",)), {"age": Choice(("anderson_darling",), ("wasserstein", "l_infinity"))}
    )
    found = compared(choices)
    assert tuple(found.features["age"].methods) == ("anderson_darling", "psi", "js", "hellinger", "wasserstein")
    assert tuple(found.features["plan"].methods) == ("chi2", "psi", "js", "hellinger")
    assert tuple(unwrap(found.score).methods) == ("mean_shift", "psi", "js", "hellinger")


@pytest.mark.parametrize("name", DECIDING)
def test_whichever_method_decides_finds_drift_and_leaves_the_quiet_alone(name: str) -> None:
    rng = np.random.default_rng(3)
    moved = {
        "age": rng.normal(46, 12, 2_000),
        "plan": rng.choice(["basic", "pro", "team"], 2_000, p=[0.4, 0.3, 0.3]),
        "active": rng.random(2_000) < 0.5,
        "vector": rng.normal(0.2, 1, (2_000, 8)).astype(np.float32),
    }
    for feature, values in moved.items():
        found = compared(Choices(Choice((name,))), **{feature: values}).features
        assert found[feature].state == "drift"
        assert {other: column.state for other, column in found.items() if other != feature} == dict.fromkeys(
            found.keys() - {feature}, "ok"
        )


def test_what_is_shown_has_a_value_and_no_p_value() -> None:
    every = Choices(Choice(additional=tuple(METHODS)))
    found = compared(every)
    for column in found.features.values():
        for name, method in column.methods.items():
            assert method.value is not None
            assert (method.p_value is not None) == (name == column.decided_by)
    assert {name for column in found.features.values() for name in column.methods} == set(METHODS)
    assert set(every.names()) == set(METHODS)


def test_names_that_are_no_methods_are_refused_with_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"'kss' is not a drift method; use one of anderson_darling, chi2"):
        check_names(["kss"], deciding=False)
    with pytest.raises(ValueError, match=r"'js' has no p-value, so it cannot decide"):
        check_names(["ks", "js"], deciding=True)
    check_names(METHODS, deciding=False)


def test_every_method_is_a_value_of_the_telemetry_attribute() -> None:
    registry = (ROOT / "sdk/driftline/semconv/registry/attributes.yaml").read_text(encoding="utf-8")
    block = registry.split(f"id: {DRIFTLINE_DRIFT_METHOD}\n")[1].split("examples:")[0]
    assert {name for name in METHODS if f"value: {name}," not in block} == set()


def test_the_documentation_has_a_row_and_a_section_for_every_method() -> None:
    page = (ROOT / "docs/reference/drift-methods.md").read_text(encoding="utf-8")
    for name, method in METHODS.items():
        effect = "" if method.min_effect is None else f"{method.min_effect:g}"
        kinds = ", ".join(kind for kind in ("number", "category", "boolean", "embedding") if kind in method.kinds)
        row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        assert [cell.strip() for cell in row.split("|")[2:5]] == [kinds, method.unit, effect]
        assert any(line.startswith("### ") and f"`{name}`" in line for line in page.splitlines())
