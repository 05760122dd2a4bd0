"""Names that come from whoever sends are bounded: models, versions and environments, over a restart, too."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pytest
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline.tables.table import ModelKey
from driftline_processor.config.model import Model, Versions
from driftline_processor.config.schema import Limits
from driftline_processor.core.decode.metric_points import Point
from driftline_processor.core.histogram import Explicit
from driftline_processor.exporters.derived_metrics import points
from driftline_processor.health import Counters
from driftline_processor.ingest.model_limits import REASON, SERIES_BYTES, ModelLimits
from driftline_processor.ingest.transaction import Request
from driftline_processor.maintenance.erasure import ErasureOrder

from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, NOON, Clock, Opened, baseline, outcomes, predictions


def limited(state: Opened, limit: str) -> float:
    return state.state.health.counters.snapshot().get((m.DRIFTLINE_LIMITED_ROWS, ((a.DRIFTLINE_LIMIT, limit),)), 0.0)


def models(state: Opened) -> list[str]:
    return sorted({view.key.model for view in state.state.publish().models})


def send(state: Opened, *names: str, rows: int = 2) -> list[int]:
    """Send rows of models, a request each; return how many of each were taken."""
    ids = [f"row-{i}" for i in range(rows)]
    return [state.send(predictions(ids, NOON, model=name)).accepted for name in names]


@pytest.mark.slow
def test_rows_of_a_further_model_are_counted_and_not_kept(open_state: Open) -> None:
    state = open_state(limits=Limits(models=2))
    assert send(state, "a", "b", "c", "a") == [2, 2, 0, 2]
    assert models(state) == ["a", "b"]
    assert state.rows("SELECT count(*)::INT AS n FROM predictions") == [(4,)]
    assert limited(state, "models") == 2
    receipt = state.send(outcomes(["row-0"], [1], model="c"), outcomes(["row-0"], [1], model="a"))
    assert (receipt.accepted, receipt.rejected) == (1, {REASON: 1})
    assert state.rows("SELECT model FROM outcomes") == [("a",)]
    assert limited(state, "models") == 3


@pytest.mark.slow
def test_a_flood_of_names_leaves_nothing_in_the_state_and_one_series_on_the_scrape_page(open_state: Open) -> None:
    state = open_state(limits=Limits(models=3))
    send(state, "a", "b")
    flood = [predictions([f"id-{i}"], NOON, model=f"flood-{i}") for i in range(500)]
    receipt = state.send(*flood)
    assert (receipt.accepted, receipt.rejected) == (1, {REASON: 499})
    assert models(state) == ["a", "b", "flood-0"]
    series = [labels for name, labels in state.state.counters() if name == m.DRIFTLINE_LIMITED_ROWS]
    assert series == [((a.DRIFTLINE_LIMIT, "models"),)]
    assert state.rows("SELECT count(*)::INT AS n FROM series") == [(3,)]


@pytest.mark.slow
def test_a_restart_keeps_who_is_in_and_who_is_not(open_state: Open) -> None:
    limits = Limits(models=2)
    send(open_state(limits=limits), "a", "b", "c")
    state = open_state(limits=limits)
    assert send(state, "c", "b", rows=3) == [0, 3]
    assert models(state) == ["a", "b"]
    assert models(open_state(limits=Limits(models=1))) == ["a", "b"]  # who is in stays in under a smaller limit


def test_a_sender_of_some_models_takes_at_most_half_of_the_places() -> None:
    limits = ModelLimits(Limits(models=6), {"shop-declared": Model()}, Counters())

    def taken(*senders: str, name: str) -> int:
        limits.sender = frozenset(senders)
        return sum(limits.place(ModelKey(f"{name}-{number}"), 1, NOON) is not None for number in range(10))

    assert taken("shop-*", name="shop") == 3
    assert taken("shop-*", "shop-1", name="shop-again") == 0  # another token for the same models
    limits.load(dict.fromkeys(map(ModelKey, ["shop-0", "shop-1", "shop-2", "shop-declared"]), NOON))
    assert taken("shop-*", name="shop-again") == 0  # nor after a restart
    assert limits.place(ModelKey("shop-declared"), 1, NOON) is not None
    assert taken("fraud-*", name="fraud") == 3
    assert taken("*", name="shop-of-all") == 0


def test_a_model_of_the_configuration_has_a_place_of_its_own(open_state: Open) -> None:
    state = open_state(limits=Limits(models=1), named=Model())
    assert send(state, "a", "b", "named") == [2, 0, 2]
    assert models(state) == ["a", "named"]


@pytest.mark.slow
def test_further_versions_are_kept_as_one_and_their_outcomes_join(open_state: Open) -> None:
    state = open_state(limits=Limits(versions=2))
    for version in ("1", "2", "3", "4"):
        state.send(predictions([f"of-{version}"], NOON, version=version), outcomes([f"of-{version}"], [1]))
    state.state.settle()
    views = {view.key.version: (view.rows, view.outcomes) for view in state.state.publish().models}
    assert views == {"1": (1, 1), "2": (1, 1), "other": (2, 2)}
    assert limited(state, "versions") == 2


@pytest.mark.slow
def test_a_version_that_the_configuration_names_is_no_other(open_state: Open) -> None:
    state = open_state(limits=Limits(versions=1), churn=Model(versions=Versions(champion="9", shadow=("8",))))
    for version in ("1", "2", "8", "9"):
        state.send(predictions(["a"], NOON, version=version))
    assert sorted(view.key.version for view in state.state.publish().models) == ["1", "8", "9", "other"]


@pytest.mark.slow
def test_a_model_that_is_deployed_every_day_never_runs_out_of_places(open_state: Open, clock: Clock) -> None:
    limits = Limits(versions=3)
    state = open_state(limits=limits)
    for day in range(8):
        clock.now = NOON + day * DAY
        state.send(predictions([f"of-{day}"], clock.now, version=f"day-{day}"))
    clock.now += DAY - 1
    state = open_state(limits=limits)  # who has been idle since when is known after a restart, too
    for version in ("day-7", "new", "another", "third"):
        state.send(predictions([f"of-{version}"], clock.now, version=version))
    views = {view.key.version: view.rows for view in state.state.publish().models}
    assert views == {**{f"day-{day}": 1 for day in range(7)}, "day-7": 2, "new": 1, "another": 1, "other": 1}
    shown = {dict(point.attributes).get(a.ML_MODEL_VERSION) for point in points(state.state)}
    assert shown - {None} == {"day-7", "new", "another", "other"}  # so that metrics stay as many as there are places


def test_further_environments_are_kept_as_one_and_their_outcomes_join(open_state: Open) -> None:
    state = open_state(limits=Limits(environments=1))
    for place in ("live", "test", "spare"):
        state.send(
            predictions([f"of-{place}"], NOON, environment=place), outcomes([f"of-{place}"], [1], environment=place)
        )
    state.state.settle()
    views = {view.key.environment: (view.rows, view.outcomes) for view in state.state.publish().models}
    assert views == {"live": (1, 1), "other": (2, 2)}
    assert limited(state, "environments") == 4


def test_points_and_baselines_take_places_and_find_none(open_state: Open) -> None:
    state = open_state(limits=Limits(models=2, versions=1))
    assert state.send(baselines=[sent("a", "1"), sent("a", "2")]).rejected == {REASON: 1}
    state = open_state(limits=Limits(models=2, versions=1))  # what a baseline took is kept, too
    histogram = Explicit(np.array([0.0, 1.0]), np.array([0.0, 3.0, 0.0]))
    found = [point("b", histogram), point("c", histogram)]
    receipt = state.state.offer(Request(b"0" * 16, points=found)).result(30)
    assert receipt.rejected == {REASON: 1}
    assert state.send(baselines=[sent("c", "1")]).rejected == {REASON: 1}
    assert state.rows("SELECT DISTINCT model FROM baselines") == [("a",)]


def sent(model: str, version: str) -> str:
    return baseline([0.1, 0.9] * 25, {"x": list(range(50))}, model=model, version=version).to_json()


def point(model: str, histogram: Explicit) -> Point:
    name = model.encode() * 16
    return Point(
        *(m.DRIFTLINE_PREDICTION_SCORE, ModelKey(model), name, name, True, "binary", "", "", False, ""),
        *(NOON - 1, NOON, True, histogram),
    )


def test_what_is_beyond_is_said_with_what_to_do(open_state: Open) -> None:
    state = open_state(limits=Limits(models=1, versions=1))
    assert state.state.publish().hints == ()
    send(state, "a", "b", "c", "d", "e")
    state.send(predictions(["x"], NOON, model="a", version="2"))
    [said] = state.state.publish().hints
    models, _, versions = said.partition("; rows of")
    assert re.findall(r"4 models|limits\.models \(1\)|such as b, c, d;|driftline forget", models) == [
        *("4 models", "limits.models (1)", "such as b, c, d;", "driftline forget")
    ]
    assert re.findall(r"1 version|limits\.versions \(1|'other', such as a 2;|driftline forget", versions) == [
        *("1 version", "limits.versions (1", "'other', such as a 2;", "driftline forget")
    ]
    assert said[1:-1] in str(state.state.health.problems())


@pytest.mark.slow
def test_a_forgotten_model_gives_its_place_to_the_next(open_state: Open) -> None:
    state = open_state(limits=Limits(models=2))
    send(state, "a", "b")
    state.state.erase(ErasureOrder("a", "model"))
    assert send(state, "c", "a") == [2, 0]
    assert models(state) == ["b", "c"]
    state.state.erase(ErasureOrder("b", "model"))
    state = open_state(limits=Limits(models=2))
    assert send(state, "a", "d") == [2, 0]


def test_environments_of_one_model_take_no_place_from_another(open_state: Open) -> None:
    state = open_state(limits=Limits(environments=1))
    for model, place in (("flood", "x"), ("flood", "y"), ("churn", "live")):
        state.send(predictions(["a"], NOON, model=model, environment=place))
    keys = {(view.key.model, view.key.environment) for view in state.state.publish().models}
    assert keys == {("flood", "x"), ("flood", "other"), ("churn", "live")}


def of_a_gibibyte(names: Mapping[str, Model]) -> ModelLimits:
    assert 2**30 // SERIES_BYTES == 2048
    return ModelLimits(Limits.model_validate({"memory": "1GiB", "versions": 50}), names, Counters())


def test_series_of_all_models_are_as_many_as_the_memory_allows() -> None:
    limits = of_a_gibibyte({"declared": Model()})
    keys = [
        ModelKey(f"flood-{n}", str(version), place) for n in range(100) for version in range(45) for place in ("a", "b")
    ]
    placed = {limits.place(key, 1, NOON) for key in keys}
    own = sum(key is not None and (key.version, key.environment) != ("other", "other") for key in placed)
    assert own == 2048 + 100  # the first series of each model needs no shared place
    assert limits.place(keys[0], 1, NOON) == keys[0]
    further = ModelKey("flood-99", "44", "b")
    assert limits.place(further, 1, NOON) == ModelKey("flood-99", "other", "other")
    sentence = limits.sentence()
    assert sentence is not None
    assert "above limits.memory (2,048 series) are stored under version and environment 'other'" in sentence
    first, declared = ModelKey("new", "1", "live"), [ModelKey("declared", str(n), "live") for n in range(50)]
    assert limits.place(first, 1, NOON) == first
    assert [limits.place(key, 1, NOON) for key in declared] == declared
    assert limits.place(ModelKey("declared", "0", "test"), 1, NOON) == ModelKey("declared", "other", "other")
    assert limits.place(further, 1, NOON + DAY) == further
    assert not limits.holds(keys[0])


def test_stored_series_use_shared_places_after_a_start() -> None:
    limits = of_a_gibibyte({})
    stored = [ModelKey("flood", str(n % 50), str(n // 50 % 20)) for n in range(1000)]
    stored += [ModelKey(f"flood-{n}", str(n % 50), str(n // 50 % 20)) for n in range(2)]
    stored += [ModelKey(f"more-{n // 1000}", str(n % 50), str(n // 50 % 20)) for n in range(2000)]
    limits.load(dict.fromkeys(stored, NOON), now=NOON + DAY - 1)
    assert all(map(limits.holds, stored))
    assert limits.place(ModelKey("flood-0", "new", ""), 1, NOON + DAY - 1) == ModelKey("flood-0", "other", "other")
    limits.load(dict.fromkeys(stored, NOON), now=NOON + DAY)
    assert limits.place(ModelKey("flood-0", "new", ""), 1, NOON + DAY) == ModelKey("flood-0", "new", "")
