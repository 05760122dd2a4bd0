"""The price sheet: prices of resources per hour, and the cost of a training run.

A price sheet is a mapping, or a file of JSON or YAML with a mapping::

    currency: EUR
    machine_hour: 0.40                 # the machine itself, during the run
    cpu_hour: 0.03                     # an hour of one busy core
    gpu_hour: {A100: 2.90, H100: 4.20, other: 1.10}    # or one price for all
    memory_gb_hour: 0.004              # a gigabyte (10^9 bytes) of the maximum memory, for an hour
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import Any

GIGABYTE = 1e9
HOUR = 3600.0
OTHER = "other"
"""Key of ``gpu_hour`` for types that the sheet does not list."""

_PRICES = ("machine_hour", "cpu_hour", "memory_gb_hour")
_KEYS = ("currency", "gpu_hour", *_PRICES)
_LARGEST = 2**20
"""Maximum bytes of a price sheet; a larger file is probably a mistake."""


class UnusablePriceSheet(ValueError):  # noqa: N818 - the sheet is, not the program
    """A price sheet that cannot be read. The text names the key, the rule and the fix."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The resources of a training run; None = unknown.

    Attributes:
        seconds: Duration in seconds.
        cpu_seconds: CPU time of its processes.
        peak_memory: Bytes.
        gpu_seconds: Number of GPUs times seconds.
        gpu_type: Type of its GPUs; "" if unknown.
    """

    seconds: float
    cpu_seconds: float | None = None
    peak_memory: float | None = None
    gpu_seconds: float | None = None
    gpu_type: str = ""


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a training run.

    Attributes:
        amount: Sum of the parts.
        currency: Currency of the sheet; "" if it has none.
        parts: Resource → its cost.
        unpriced: Used resources without a price, and priced resources that were not measured.
    """

    amount: float
    currency: str
    parts: Mapping[str, float]
    unpriced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PriceSheet:
    """The prices of resources; a missing price means that the cost is unknown.

    Attributes:
        currency: ISO 4217 or any other word.
        gpu_hour: Type of a GPU, or "other" → price per hour.
    """

    currency: str = ""
    machine_hour: float | None = None
    cpu_hour: float | None = None
    gpu_hour: Mapping[str, float] = field(default_factory=dict)
    memory_gb_hour: float | None = None

    def cost(self, usage: Usage) -> Cost | None:
        """Return the cost of a run; None if none of its resources has a price.

        Args:
            usage: Resources that the run used.

        >>> sheet = PriceSheet("EUR", cpu_hour=0.03, gpu_hour={"A100": 2.9})
        >>> sheet.cost(Usage(7200.0, 3600.0, 8e9, 7200.0, "NVIDIA A100-SXM4-80GB")).parts
        {'cpu': 0.03, 'gpu': 5.8}
        """
        hours = usage.seconds / HOUR
        memory_hours = None if usage.peak_memory is None else usage.peak_memory * hours
        used = {
            "machine": (hours, self.machine_hour),
            "cpu": (_per(usage.cpu_seconds, HOUR), self.cpu_hour),
            "gpu": (_per(usage.gpu_seconds, HOUR), self.price_of_gpu(usage.gpu_type)),
            "memory": (
                _per(memory_hours, GIGABYTE),
                self.memory_gb_hour,
            ),
        }
        parts = {
            name: amount * price for name, (amount, price) in used.items() if amount is not None and price is not None
        }
        if not parts or not math.isfinite(total := sum(parts.values())):
            return None
        unmeasured = [name for name, (amount, price) in used.items() if amount is None and price is not None]
        if self.gpu_hour and usage.gpu_seconds != 0 and "gpu" not in (*parts, *unmeasured):
            unmeasured.append("gpu")  # unknown usage is not zero usage
        return Cost(total, self.currency, parts, tuple(unmeasured))

    def price_of_gpu(self, type: str) -> float | None:
        """Return the price per hour of a GPU: of its type, else of the longest name within the type, else of "other".

        Args:
            type: Type as NVML or the caller names it.

        >>> PriceSheet(gpu_hour={"A100": 2.9, "A100-SXM4": 3.4}).price_of_gpu("NVIDIA A100-SXM4-80GB")
        3.4
        """
        folded = type.casefold()
        fitting = [name for name in self.gpu_hour if name != OTHER and name.casefold() in folded]
        if fitting:
            return self.gpu_hour[max(fitting, key=len)]
        return self.gpu_hour.get(OTHER)


def read_price_sheet(given: Mapping[str, Any] | str | PathLike[str] | PriceSheet) -> PriceSheet:
    """Return a price sheet from a mapping, or from a file of JSON or YAML.

    Args:
        given: The mapping, or the path of the file.

    Raises:
        UnusablePriceSheet: The file or a key cannot be read; the message names it, the rule and the fix.

    >>> read_price_sheet({"currency": "EUR", "gpu_hour": 2}).price_of_gpu("any")
    2.0
    """
    if isinstance(given, PriceSheet):
        return given
    if isinstance(given, Mapping):
        return _sheet(given, "price_sheet")
    where = fspath(given)
    return _sheet(_document(where), where)


def _document(where: str) -> Mapping[str, Any]:
    path = Path(where)
    try:
        if path.stat().st_size > _LARGEST:
            raise UnusablePriceSheet(f"{where}: the file is larger than 1 MiB; a price sheet has only a few lines")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UnusablePriceSheet(f"{where}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UnusablePriceSheet(f"{where}: is not UTF-8") from error
    try:
        document = json.loads(text) if path.suffix == ".json" else _yaml(text, where)
    except UnusablePriceSheet:
        raise
    except Exception as error:  # a YAML parser can raise anything
        raise UnusablePriceSheet(f"{where}: is not valid JSON or YAML: {type(error).__name__}") from error
    if not isinstance(document, Mapping):
        raise UnusablePriceSheet(f"{where}: is not a mapping; use keys such as 'cpu_hour: 0.03'")
    return document


def _yaml(text: str, where: str) -> Any:
    try:
        import yaml
    except ImportError:
        raise UnusablePriceSheet(
            f"{where}: YAML requires PyYAML; install PyYAML, or write the price sheet as JSON"
        ) from None
    return yaml.safe_load(text)


def _sheet(document: Mapping[str, Any], where: str) -> PriceSheet:
    for key in document:
        if key not in _KEYS:
            raise UnusablePriceSheet(f"{where}: unknown key {str(key)[:80]!r}; the keys are {', '.join(_KEYS)}")
    currency = document.get("currency", "")
    if not isinstance(currency, str) or len(currency) > 16:
        raise UnusablePriceSheet(f"{where}: currency must be a short string such as EUR")
    gpus = document.get("gpu_hour", {})
    by_type = gpus if isinstance(gpus, Mapping) else {OTHER: gpus}
    return PriceSheet(
        currency=currency.strip(),
        gpu_hour={str(name): _price(price, f"{where}: gpu_hour.{name}") for name, price in by_type.items()},
        **{name: _price(document[name], f"{where}: {name}") for name in _PRICES if document.get(name) is not None},
    )


def _price(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not (0 <= value < math.inf):
        raise UnusablePriceSheet(f"{where}: a price must be a number of at least 0, not {str(value)[:40]!r}")
    return float(value)


def _per(amount: float | None, unit: float) -> float | None:
    return None if amount is None else amount / unit
