"""Rankings, the messages that bring them and their outcomes to topics, and what is known of each list in the end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from driftline.baseline.baseline import Baseline
from driftline.batch_panes import make_panes
from driftline.semconv import attributes as a
from driftline.semconv import events

from .otlp_requests import FEATURE, SLICE, logs, record, span, traces
from .scored_topics import ENVIRONMENT, HOUR, Sums, sums_of

START = 1_795_564_800 * 10**9
KNOWN = START + 4 * HOUR
ITEMS = tuple(f"p{number}" for number in range(8))
LISTS = 60

Told = Mapping[str, Any]
"""An outcome: list, and attributes."""


def lists(seed: int) -> dict[str, Any]:
    """Return rankings of up to five items."""
    random = np.random.default_rng(seed)
    return {
        "id": [f"s{row}" for row in range(LISTS)],
        "at": (START + np.sort(random.integers(0, 3 * HOUR, LISTS))).tolist(),
        "hour": random.normal(size=LISTS).tolist(),
        "region": random.choice(["north", "south"], LISTS).tolist(),
        "items": [random.permutation(ITEMS)[: random.integers(0, 6)].tolist() for _ in range(LISTS)],
    }


FRAME = lists(1)
BASELINE = Baseline.from_frame(
    {"hour": FRAME["hour"], "items": FRAME["items"], "clicked": [["p1"], ["p2"], [], ["p0"]] * 15},
    predicted="items", actual="clicked", model="feed", version="1", task="ranking",
)  # fmt: skip


def predictions() -> list[bytes]:
    """Return a request with a span per ranking."""
    spans = []
    for row, at in enumerate(FRAME["at"]):
        about = {
            a.ML_MODEL_NAME: "feed",
            a.ML_MODEL_VERSION: "1",
            a.ML_MODEL_TASK: "ranking",
            a.ML_OPERATION_NAME: "predict",
            a.ML_PREDICTION_ID: FRAME["id"][row],
            a.DRIFTLINE_PREDICTION_ITEMS: FRAME["items"][row],
            f"{SLICE}region": FRAME["region"][row],
            f"{FEATURE}hour": FRAME["hour"][row],
        }
        spans.append(span(about, start_time_unix_nano=at, end_time_unix_nano=at))
    return [traces(spans, ENVIRONMENT)]


def outcomes(told: Sequence[Told]) -> list[bytes]:
    """Return a request with a record per outcome; none without any."""
    records = [
        record(
            events.ML_OUTCOME,
            {a.ML_MODEL_NAME: "feed", a.ML_PREDICTION_ID: FRAME["id"][each["row"]], **_attributes(each)},
            time_unix_nano=int(each["time"]),
        )
        for each in told
    ]
    return [logs(records, ENVIRONMENT)] if records else []


def _attributes(told: Told) -> dict[str, Any]:
    named = {
        "item": a.DRIFTLINE_OUTCOME_ITEM,
        "actual": a.ML_OUTCOME_ACTUAL,
        "weight": a.DRIFTLINE_OUTCOME_WEIGHT,
        "retracted": a.DRIFTLINE_OUTCOME_RETRACTED,
        "time": a.DRIFTLINE_OUTCOME_TIME_UNIX_NANO,
    }
    return {attribute: told[key] for key, attribute in named.items() if key in told}


def drawn(seed: int, count: int = 300) -> list[Told]:
    """Draw outcomes: of an item, of the whole list, of nothing, and retractions of both."""
    random = np.random.default_rng(seed)
    found: list[Told] = []
    for number, row in enumerate(random.integers(0, LISTS - 10, count).tolist()):
        about: dict[str, Any] = {"row": row, "time": KNOWN + number % 97 * 1_000}
        kind = random.choice(["item", "item", "item", "list", "nothing", "back", "all back"])
        if kind in ("item", "back"):
            about["item"] = str(random.choice([*ITEMS, "elsewhere"]))
        if kind in ("back", "all back"):
            about["retracted"] = True
        elif kind == "list":
            chosen = random.choice(ITEMS, 2, replace=False).tolist()
            about["actual"] = json.dumps({item: int(random.integers(1, 4)) for item in chosen})
        else:
            about["actual"] = 0 if kind == "nothing" else int(random.integers(0, 3))
        found.append(about)
    return found


def known(told: Sequence[Told]) -> tuple[list[str | None], list[int]]:
    """Return what is known of each list, from the rules of docs/monitor/rankings.md, and since when."""
    gains: list[dict[str, float] | None] = [None] * LISTS
    since = [0] * LISTS
    for each in sorted(told, key=lambda one: one["time"]):
        row, item = each["row"], each.get("item")
        of_list = dict(gains[row] or {})
        if each.get("retracted"):
            if item is None:
                gains[row] = None
            elif gains[row] is not None:
                of_list.pop(item, None)
                gains[row] = of_list if of_list or each["row"] in _whole(told, each) else None
            continue
        if item is None:
            gains[row] = {} if each["actual"] == 0 else json.loads(each["actual"])
        else:
            gains[row] = of_list | {item: float(each["actual"])}
        since[row] = each["time"]
    return [None if one is None else json.dumps({k: v for k, v in one.items() if v > 0}) for one in gains], since


def _whole(told: Sequence[Told], until: Told) -> set[int]:
    """Return the lists of which an outcome of the whole list still counts."""
    found: set[int] = set()
    for each in sorted(told, key=lambda one: one["time"]):
        if each is until:
            return found
        if each.get("item") is None:
            (found.discard if each.get("retracted") else found.add)(each["row"])
    return found


def sums_of_known(told: Sequence[Told]) -> Sums:
    """Return the sums of the rankings with all that is known of each."""
    actual, since = known(told)
    table = pa.table(
        {
            **{name: FRAME[name] for name in ("at", "hour", "region", "items")},
            "clicked": pa.array(actual, pa.string()),
            "known": since,
        }
    )
    panes = make_panes(
        table, BASELINE, time="at", predicted="items", actual="clicked", outcome_time="known", slices=["region"],
        environment=ENVIRONMENT,
    )  # fmt: skip
    return sums_of(panes.panes)
