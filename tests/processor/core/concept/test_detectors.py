"""Each detector against River's of its name: the same alarms, the same buckets, and its kept states go on."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from driftline.tables.table import F64
from driftline_processor.core.concept import Settings, Stream
from driftline_processor.core.concept.detectors import DETECTORS, Kind, ddm, hddm_a, kswin, page_hinkley
from driftline_processor.core.concept.stream import DELTA
from river import drift as river_drift
from scipy.stats import ks_2samp

PREVIOUS = Path(__file__).with_name("previous_release.json")
"""States that Driftline kept when its detectors were River's (0.26.1), by detector and kind."""


def peer(name: str, kind: Kind) -> Any:
    """Make River's detector with our parameters."""
    drift: Any = river_drift
    if name == "adwin":
        return drift.ADWIN(delta=DELTA)
    if name == "ddm":
        return drift.binary.DDM(warm_start=ddm.FIRST, drift_threshold=ddm.THRESHOLD)
    if name == "hddm_a":
        confidence = {"drift_confidence": hddm_a.CONFIDENCE, "warning_confidence": hddm_a.CONFIDENCE}
        return drift.binary.HDDMA(**confidence, two_sided_test=True)
    if name == "page_hinkley":
        tolerated, threshold = page_hinkley.TOLERATED[kind], page_hinkley.THRESHOLD[kind]
        return drift.PageHinkley(delta=tolerated, threshold=threshold, alpha=1.0)
    found = drift.KSWIN(alpha=kswin.ALPHA, window_size=kswin.WINDOW, stat_size=kswin.NEWEST)
    found._rng = Draws(found)
    return found


class Draws:
    """Our draws in the place of River's chance, so that the tests are of the same samples."""

    def __init__(self, of: Any) -> None:
        self.of = of

    def sample(self, places: range, size: int) -> list[int]:
        assert (len(places), size) == (kswin.WINDOW - kswin.NEWEST, kswin.NEWEST)
        return [int(place) for place in kswin.samples(np.array([self.of.n]))[0]]


def alarms_of_peer(name: str, kind: Kind, values: F64) -> list[int]:
    found, detector = list[int](), peer(name, kind)
    for at, value in enumerate(values.tolist()):
        detector.update(value)
        if detector.drift_detected:
            found.append(at)
            detector = peer(name, kind)
    return found


def alarms(name: str, kind: Kind, values: F64, rng: np.random.Generator) -> list[int]:
    """Return the places of our alarms, fed in pieces of any length."""
    found, start, detector = list[int](), 0, DETECTORS[name].make(kind, DELTA)
    while start < len(values):
        end = start + int(rng.integers(1, 3_000))
        alarm = detector.first_alarm(values[start:end])
        if alarm >= 0:
            found.append(start + alarm)
            detector = DETECTORS[name].make(kind, DELTA)
        start = end if alarm < 0 else start + alarm + 1
    return found


def stationary(rng: np.random.Generator, n: int) -> F64:
    return np.full(n, rng.choice([0.0, 0.01, 0.1, 0.3, 0.5, 1.0]))


def abrupt(rng: np.random.Generator, n: int) -> F64:
    return np.repeat(rng.choice([0.02, 0.1, 0.2, 0.3, 0.5, 0.8], 4), -(-n // 4))[:n]


def gradual(rng: np.random.Generator, n: int) -> F64:
    return rng.random() + rng.uniform(-1, 1) * np.arange(n) / n


def stream(kind: Kind, level: F64, rng: np.random.Generator) -> F64:
    """Draw errors at these rates, or losses about twice these levels, some of them heavy-tailed."""
    if kind == "error":
        return (rng.random(len(level)) < level).astype(np.float64)
    spread = rng.standard_t(3, len(level)) if rng.random() < 0.5 else rng.normal(size=len(level))
    return np.clip(spread + 2 * level, -4, 4)


CASES = [
    pytest.param(name, kind, runs, length, id=f"{name}-{kind}", marks=pytest.mark.slow if name == "kswin" else ())
    for name, runs, length in (
        ("adwin", 40, 3_000),
        ("ddm", 40, 3_000),
        ("hddm_a", 20, 3_000),
        ("page_hinkley", 40, 3_000),
        ("kswin", 3, 1_800),
    )
    for kind in ("error", "loss")
    if kind in DETECTORS[name].kinds
]


@pytest.mark.parametrize("levels", [stationary, abrupt, gradual])
@pytest.mark.parametrize(("name", "kind", "runs", "length"), CASES)
def test_alarms_are_those_of_river(
    name: str, kind: Kind, runs: int, length: int, levels: Callable[[np.random.Generator, int], F64]
) -> None:
    rng = np.random.default_rng([runs, length, len(levels.__name__)])
    found = 0
    for _ in range(runs):
        values = stream(kind, levels(rng, length), rng)
        theirs = alarms_of_peer(name, kind, values)
        assert alarms(name, kind, values, rng) == theirs
        found += len(theirs)
    assert found > 0 or levels is stationary or name == "kswin"


@pytest.mark.simulation
@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name in DETECTORS for kind in sorted(DETECTORS[name].kinds) if name != "kswin"]
)
def test_alarms_are_those_of_river_on_a_thousand_streams_of_each_kind(name: str, kind: Kind) -> None:
    rng = np.random.default_rng(15)
    for levels in (stationary, abrupt, gradual):
        for _ in range(1_000):
            values = stream(kind, levels(rng, int(rng.integers(1, 6_000))), rng)
            assert alarms(name, kind, values, rng) == alarms_of_peer(name, kind, values)


@pytest.mark.parametrize("kind", ["error", "loss"])
def test_buckets_of_adwin_are_those_of_river_to_the_last_bit(kind: Kind) -> None:
    rng = np.random.default_rng(3)
    values = stream(kind, np.full(40_000, 0.2), rng)
    drift: Any = river_drift
    ours, theirs, fed = DETECTORS["adwin"].make(kind, 1e-9), drift.ADWIN(delta=1e-9), 0
    for end in (32, 64, 96, 1_024, 6_400, 20_000, 40_000):
        assert ours.first_alarm(values[fed:end]) == -1
        for value in values[fed:end].tolist():
            theirs.update(value)
        fed = end
        state, known = ours.state(), DETECTORS["adwin"].read(kind, 1e-9, as_kept(theirs)).state()
        assert state == known
        assert (theirs.width, theirs.total) == (state["n"], state["total"])
        assert sum(len(level) for level in state["buckets"]) < 100


def as_kept(adwin: Any) -> dict[str, Any]:
    """Return the state of River's ADWIN as the previous release kept it."""
    known = [adwin.delta, adwin.width, adwin.total, adwin.variance]
    return {"buckets": base64.b64encode(zlib.compress(adwin._helper.__getstate__(), 1)).decode(), "known": known}


def values_of(kind: str) -> F64:
    """Return what the states of the previous release were fed, and what comes after it."""
    rng = np.random.default_rng(4)
    if kind == "error":
        return np.concatenate([(rng.random(1_400) < 0.2).astype(float), (rng.random(1_500) < 0.6).astype(float)])
    quiet = np.round((np.abs(rng.normal(size=1_400)) - 0.79788) / 0.60281, 3)
    return np.concatenate([quiet, np.clip(rng.normal(size=1_500) + 1.5, -4, 4)])


@pytest.mark.parametrize("which", json.loads(PREVIOUS.read_text(encoding="utf-8")))
def test_states_of_the_previous_release_go_on(which: str) -> None:
    name, _, kind = which.partition(" ")
    said = json.loads(PREVIOUS.read_text(encoding="utf-8"))[which]
    values = values_of(kind)[: 1_900 if name == "kswin" else None]
    read = Stream.from_json(said, Settings((name,)))
    assert read.anew() == []
    assert read.fed in (1_011, 1_237)
    whole = Stream("error" if kind == "error" else "loss", Settings((name,)), None if kind == "error" else (0.0, 1.0))
    at = np.arange(len(values))
    whole.feed(values, at, at)
    rest = slice(read.fed, None)
    assert len(read.feed(values[rest], at[rest], at[rest])) >= 1
    assert read.concept().changes == whole.concept().changes
    assert read.concept().state == whole.concept().state == "drift"


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("adwin", {"buckets": "nonsense", "known": []}),
        ("adwin", {"buckets": "eJwDAAAAAAE=", "known": []}),
        ("adwin", {"n": 33, "total": 1.0, "spread": 0.1, "buckets": [[1.0]], "newest": []}),
        ("ddm", [1, 2]),
        ("hddm_a", "none"),
        ("page_hinkley", {"n": 4}),
        ("kswin", {"n": 4, "window": "text"}),
    ],
)
def test_a_state_that_cannot_be_read_begins_anew_and_says_so(name: str, state: Any) -> None:
    stream = Stream("error", Settings((name,)))
    at = np.arange(200)
    stream.feed(np.zeros(200), at, at)
    said = stream.to_json()
    said["watches"][name]["detector"] = state
    again = Stream.from_json(said, Settings((name,)))
    [why] = again.anew()
    assert why.startswith(f"the state of {DETECTORS[name].title} cannot be read: ")
    assert (again.fed, again.concept().state) == (200, "ok")


def test_a_sample_of_kswin_takes_no_value_twice_and_every_place_alike() -> None:
    drawn = kswin.samples(np.arange(1_000, 3_000))
    assert all(len(set(row)) == kswin.NEWEST for row in drawn[:50].tolist())
    share = np.bincount(drawn.ravel(), minlength=600) / 2_000
    assert np.abs(share - 2 / 3).max() < 5 * np.sqrt(2 / 9 / 2_000)


def test_the_critical_distance_of_kswin_is_that_of_scipys_exact_test() -> None:
    least = kswin.critical_distance(kswin.ALPHA)
    for distance in (least - 1, least):
        sample = np.arange(kswin.NEWEST) + 0.5
        other = np.concatenate([sample[distance:], np.full(distance, 1e6)])
        p = ks_2samp(sample, other, method="exact").pvalue
        assert (p <= kswin.ALPHA) == (distance == least)
