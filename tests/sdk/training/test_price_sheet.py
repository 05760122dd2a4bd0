"""A price sheet: what an hour of each resource costs, and what a run cost by it."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import pytest
from driftline.training.price_sheet import PriceSheet, UnusablePriceSheet, Usage, read_price_sheet

from tests.support.facts import Facts, in_order
from tests.support.unwrap import unwrap

PRICES = {
    "currency": "EUR",
    "machine_hour": 0.4,
    "cpu_hour": 0.03,
    "gpu_hour": {"A100": 2.9, "other": 1.1},
    "memory_gb_hour": 0.004,
}
RUN = Usage(7200.0, 4 * 3600.0, 8e9, 2 * 7200.0, "NVIDIA A100-SXM4-80GB")


def test_each_resource_has_its_part_of_the_cost() -> None:
    cost = read_price_sheet(PRICES).cost(RUN)

    assert cost is not None
    assert cost.parts == {"machine": 0.8, "cpu": 0.12, "gpu": 11.6, "memory": 0.064}
    assert (round(cost.amount, 9), cost.currency, cost.unpriced) == (12.584, "EUR", ())


@pytest.mark.parametrize("name", ["prices.json", "prices.yaml"])
def test_a_sheet_is_read_from_a_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(json.dumps(PRICES))  # JSON is YAML, too

    assert read_price_sheet(path) == read_price_sheet(str(path)) == read_price_sheet(PRICES)


def test_a_gpu_that_no_type_names_has_the_price_of_others_or_none() -> None:
    by_type = read_price_sheet(PRICES)
    lonely = read_price_sheet({"gpu_hour": {"A100": 2.9}})

    assert by_type.price_of_gpu("Tesla T4") == 1.1
    assert by_type.price_of_gpu("") == 1.1
    assert lonely.price_of_gpu("Tesla T4") is None


def test_what_has_a_price_and_was_not_measured_is_named() -> None:
    cost = read_price_sheet(PRICES).cost(Usage(3600.0, None, 1e9, 3600.0, "A100"))
    other = read_price_sheet({"cpu_hour": 1, "gpu_hour": {"A100": 2}}).cost(Usage(3600.0, 3600.0, None, 3600.0, "T4"))

    assert cost is not None
    assert cost.unpriced == ("cpu",)
    assert other is not None
    assert (other.parts, other.unpriced) == ({"cpu": 1.0}, ("gpu",))


@pytest.mark.parametrize("prices", [{"A100": 2}, {"A100": 2, "other": 1}])
def test_gpus_that_nobody_measured_are_missing_and_no_gpus_are_not(prices: dict[str, float]) -> None:
    sheet = read_price_sheet({"cpu_hour": 1, "gpu_hour": prices})

    assert unwrap(sheet.cost(Usage(3600.0, 3600.0, gpu_seconds=None))).unpriced == ("gpu",)
    assert unwrap(sheet.cost(Usage(3600.0, 3600.0, gpu_seconds=0.0))).unpriced == ()


def test_a_sheet_without_a_price_of_what_was_used_knows_no_cost() -> None:
    assert PriceSheet("EUR").cost(RUN) is None
    assert read_price_sheet({"cpu_hour": 1e308}).cost(Usage(1.0, 1e308 * 3600)) is None


@pytest.mark.parametrize(
    ("sheet", "facts"),
    [
        ({"cpu_hours": 1}, ("'cpu_hours'", "currency, gpu_hour, machine_hour")),
        ({"cpu_hour": -1}, ("price_sheet: cpu_hour:", "least 0", "'-1'")),
        ({"cpu_hour": True}, ("price_sheet: cpu_hour:", "least 0")),
        ({"gpu_hour": {"A100": float("nan")}}, ("gpu_hour.A100:", "least 0")),
        ({"currency": 7}, ("currency must be a short string such as EUR",)),
    ],
)
def test_a_wrong_key_is_named_with_the_rule(sheet: dict[str, Any], facts: Facts) -> None:
    with pytest.raises(UnusablePriceSheet, match=in_order(*facts)):
        read_price_sheet(sheet)


@pytest.mark.parametrize(
    ("text", "facts"),
    [("[1, 2]", ("is not a mapping",)), ("{", ("JSON", "YAML")), ("cpu_hour: ]", ("JSON", "YAML"))],
)
def test_a_file_that_is_no_sheet_is_named(tmp_path: Path, text: str, facts: Facts) -> None:
    path = tmp_path / ("prices.yaml" if "cpu" in text else "prices.json")
    path.write_text(text)

    with pytest.raises(UnusablePriceSheet, match=in_order(*facts)) as error:
        read_price_sheet(path)
    assert str(path) in str(error.value)


def test_a_file_that_is_not_there_or_far_too_large_is_named(tmp_path: Path) -> None:
    large = tmp_path / "large.json"
    large.write_bytes(b" " * (2**20 + 1))

    with pytest.raises(UnusablePriceSheet, match="cannot be read: No such file"):
        read_price_sheet(tmp_path / "none.json")
    with pytest.raises(UnusablePriceSheet, match="larger than 1 MiB"):
        read_price_sheet(large)


def test_yaml_without_its_library_asks_for_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text("cpu_hour: 1")
    real = builtins.__import__

    def without_yaml(name: str, *rest: Any) -> Any:
        if name == "yaml":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_yaml)
    with pytest.raises(UnusablePriceSheet, match=r"YAML.*PyYAML.*JSON"):
        read_price_sheet(path)
