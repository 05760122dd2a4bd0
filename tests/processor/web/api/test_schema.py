"""Every answer that carries evaluations against docs/reference/evaluations.schema.json, with no key more."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.core.evaluation import Evaluation, WeakSearch
from driftline_processor.core.labels.delay import OutcomeDelay
from driftline_processor.core.versions.side_by_side import SideBySide
from driftline_processor.present.evaluation_json import evaluations_to_json
from driftline_processor.queries.model_view import ModelView
from msgspec import structs
from msgspec.structs import replace
from starlette.testclient import TestClient

from tests.support.answer_schema import check_answer
from tests.support.any_object import Builder
from tests.support.fake_view import FakeView, app_of, flights, many

Browse = Callable[[FakeView], TestClient]


def evaluation(seed: int) -> Evaluation:
    """Return an evaluation with something in every field, and the more gaps the higher the seed is of four."""
    found: Evaluation = Builder(seed, gaps=seed % 4 / 4).build(Evaluation)
    fast = found.fast_labels
    for name, curve in found.curves.items():
        found.curves[name] = structs.replace(curve, weight=None if curve.weight is None else curve.weight[:, 0])
    return structs.replace(found, fast_labels=None if fast is None else structs.replace(fast, until="<1d"))


@pytest.mark.parametrize("seed", range(12))
def test_whatever_an_evaluation_holds_its_json_is_of_the_schema(seed: int) -> None:
    concept, beside = (Builder(seed, gaps=seed % 4 / 4, depth=3).build(kind) for kind in (ConceptDrift, SideBySide))
    delay = OutcomeDelay(10**9, "learned", 5)
    answer = evaluations_to_json("churn", "1", [evaluation(seed)], concept, seed % 2 == 0, [beside], delay)
    check_answer(json.loads(json.dumps(answer)), "Evaluations")


def without_floats(value: Any) -> Any:
    """Return an answer as it is where no number with a fraction is finite, see ``web/answers.py``."""
    if isinstance(value, float):
        return None
    if isinstance(value, dict):
        return {name: without_floats(one) for name, one in value.items()}
    return [without_floats(one) for one in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("seed", range(4))
def test_every_number_with_a_fraction_may_be_null(seed: int) -> None:
    concept, beside = (Builder(seed, gaps=seed / 4, depth=3).build(kind) for kind in (ConceptDrift, SideBySide))
    delay = OutcomeDelay(10**9, "learned", 5)
    answer = evaluations_to_json("churn", "1", [evaluation(seed)], concept, True, [beside], delay)
    check_answer(json.loads(json.dumps(without_floats(answer))), "Evaluations")


@pytest.mark.slow
def test_answers_about_models_of_which_little_is_known_are_of_the_schema(browse: Browse) -> None:
    nothing = replace(flights(), windows={}, verdict=None, baseline=None, concept=None, by_class={}, duration=None)
    waits = replace(nothing, rows=0, first=0, last=0, received=0, pending=5)
    one = replace(flights(), windows={name: known[:1] for name, known in flights().windows.items()})
    open_one = replace(
        flights(),
        windows={name: [structs.replace(known[-1], closed=False)] for name, known in flights().windows.items()},
    )
    odd = replace(flights(), by_class={"0": float("nan")})
    check_answer(browse(FakeView([])).get("/api/v1/models").json(), "Models")
    for model in (nothing, waits, one, open_one, odd):
        client = browse(FakeView([model]))
        check_answer(client.get("/api/v1/models").json(), "Models")
        check_answer(client.get("/api/v1/models/flights").json(), "Model")
        check_answer(client.get("/api/v1/models/flights/versions").json(), "Versions")
        for window in model.windows:
            check_answer(client.get(f"/api/v1/models/flights/evaluations?window={window}").json(), "Evaluations")


def test_a_key_that_is_not_declared_is_found() -> None:
    answer = {**evaluations_to_json("churn", "1", []), "surprise": 1}
    with pytest.raises(jsonschema.ValidationError, match="surprise"):
        check_answer(answer, "Evaluations")


@pytest.mark.parametrize(
    "query",
    [
        "&curves=true",
        pytest.param("", marks=pytest.mark.slow),
        pytest.param("&slices=false", marks=pytest.mark.slow),
    ],
)
def test_answers_of_pages_with_realistic_data_are_of_the_schema(browse: Browse, query: str) -> None:
    client = browse(many())
    models = client.get("/api/v1/models").json()
    check_answer(models, "Models")
    for model in models["models"]:
        path = f"/api/v1/models/{model['model']}"
        for window in model["windows"]:
            check_answer(client.get(f"{path}/evaluations?window={window}{query}").json(), "Evaluations")
        check_answer(client.get(f"{path}/versions").json(), "Versions")


def test_models_and_versions_are_of_the_schema_whatever_they_hold(browse: Browse) -> None:
    known: ModelView = many().known[0]
    versions = tuple(Builder(seed, gaps=0.3, depth=3).build(SideBySide) for seed in range(3))
    model = replace(known, windows={"1d": [evaluation(2), evaluation(3)]}, versions=versions)
    client = browse(FakeView([model]))
    check_answer(client.get("/api/v1/models").json(), "Models")
    check_answer(client.get("/api/v1/models/flights/versions").json(), "Versions")


class Search:
    """Finds a weak slice of every kind of condition."""

    def search(self, *_: object) -> WeakSearch:
        """Return it."""
        found: WeakSearch = Builder(5, gaps=0.3).build(WeakSearch)
        return found


def test_weak_slices_are_of_the_schema() -> None:
    client = TestClient(app_of(many(), rows={"weak_slices": Search()}))
    check_answer(client.get("/api/v1/models/flights/weak-slices?window=1mo").json(), "WeakSlices")
