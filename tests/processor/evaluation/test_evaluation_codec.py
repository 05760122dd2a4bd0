"""What is stored of an evaluation is read back as it was: every field, and every value that a field may have."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace

import numpy as np
import pytest
from driftline.tables.table import ModelKey
from driftline_processor.core.evaluation import (
    ColumnDrift,
    Curve,
    Evaluation,
    JointDrift,
    MethodValue,
    MetricValue,
    ObjectiveState,
    ServiceLevel,
    SlicePerformance,
)
from driftline_processor.core.windows.window import Window
from driftline_processor.evaluation import evaluation_codec
from driftline_processor.evaluation.evaluation_codec import (
    DETAILS,
    DRIFT_FIELDS,
    mentions,
    pack_evaluation,
    unpack_evaluation,
    unpack_head,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.any_object import Builder
from tests.support.evaluation_text import evaluation_to_text

KEY, DAY = ModelKey("churn", "1", "prod"), Window("1d", 1, 2)


def plain(**values: object) -> Evaluation:
    return Evaluation(KEY, DAY, 12, True, **values)  # type: ignore[arg-type]


def column(name: str, seed: int, rows: int = 1_200, cells: int = 20) -> ColumnDrift:
    """Return the drift of a feature of a quiet window: its reference's shares follow from its name alone."""
    rng, reference = np.random.default_rng(seed), np.random.default_rng(len(name) + sum(map(ord, name)))
    method, values = ("ks", "psi", "js"), rng.random(9).tolist()
    was = reference.random(cells)
    now = was * (1 + 0.1 * rng.random(cells))
    return ColumnDrift(
        "feature", name, "ok", method[0], rows,
        {each: MethodValue(values[at], values[3] if at == 0 else None) for at, each in enumerate(method)},
        values[4], "small", tuple(f"{at / 20:g} – {(at + 1) / 20:g}" for at in range(cells)),
        was / was.sum(), np.round(now / now.sum(), 9), 0.0, 0.0, 1 + values[5] / 9, (-values[6], values[7]),
        would_see=0.39583333, alike=(seed % 35, 35), p_normal_variation=values[8],
    )  # fmt: skip


def quiet(seed: int, features: int = 20) -> Evaluation:
    columns = {f"number_{at}": column(f"number_{at}", 1_000 * seed + at) for at in range(features)}
    score = replace(column("score", seed), column="score", name="")
    return plain(features=columns, score=score, share=0.0, baseline_version="1", service=ServiceLevel(1_200, 0))


def same(evaluation: Evaluation) -> None:
    assert evaluation_to_text(unpack_evaluation(pack_evaluation(evaluation))) == evaluation_to_text(evaluation)


@pytest.mark.parametrize("seed", range(40))
def test_whatever_an_evaluation_holds_is_read_back(seed: int) -> None:
    same(Builder(seed, gaps=seed % 4 / 4).build(Evaluation))


NUMBERS = st.one_of(st.none(), st.floats(), st.integers(-(2**60), 2**60), st.booleans())
TEXTS = st.text(st.characters(exclude_categories=()), max_size=9)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(TEXTS, st.tuples(NUMBERS, NUMBERS, TEXTS), max_size=5))
def test_numbers_and_names_of_all_kinds_are_read_back(told: dict[str, tuple[float | None, float | None, str]]) -> None:
    """Not a number, endless, none, whole where a fraction is usual; names in any script, also half a surrogate."""
    realized = {
        name: MetricValue(value, 3, "rows", low=low, interval=text) for name, (value, low, text) in told.items()
    }
    methods = {name: MethodValue(value, low) for name, (value, low, _) in told.items()}
    features = {
        name: ColumnDrift("feature", text, "ok", "ks", 3, methods, value, missing_was=low)
        for name, (value, low, text) in told.items()
    }
    slices = {name: SlicePerformance(3, realized) for name in told}
    same(plain(realized=realized, features=features, performance_slices=slices))


@pytest.mark.parametrize(
    "points",
    [
        np.zeros((0, 2)),
        np.array([[0.25, 1.0], [0.123456, 0.5]]),
        np.array([[-0.0, math.nan], [math.inf, -1e300]]),
        np.array([[3.0, 2.0**33], [1 / 3, 5e-324]]),
        np.array([[7.0, 4_294_967_295.0]]),
    ],
)
def test_arrays_of_all_kinds_are_read_back(points: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    same(plain(curves={"roc": Curve("x", "y", points, None, points), "pr": Curve("x", "y", points, points[:, 0])}))
    same(plain(confusion=points))


@pytest.mark.parametrize("features", [0, 1, 200])
def test_any_number_of_features_is_read_back(features: int) -> None:
    same(quiet(3, features))


def test_numpy_numbers_are_numbers() -> None:
    found = unpack_evaluation(pack_evaluation(plain(share=np.float64(0.5), outcome_rows=np.int64(3))))
    assert (found.share, found.outcome_rows) == (0.5, 3)
    assert (type(found.share), type(found.outcome_rows)) == (float, int)


def test_what_is_no_value_is_refused() -> None:
    with pytest.raises(TypeError, match="object has no place in an evaluation"):
        pack_evaluation(plain(share=object()))


def test_windows_with_one_reference_share_what_it_says() -> None:
    first, second = pack_evaluation(quiet(1)), quiet(2)
    later = pack_evaluation(second, first.drawing)
    assert later.drawing is first.drawing
    assert evaluation_to_text(unpack_evaluation(later)) == evaluation_to_text(second)


def test_columns_that_another_reference_draws_stand_with_the_window() -> None:
    first, second = pack_evaluation(quiet(1)), quiet(2)
    redrawn = {"number_3": replace(second.features["number_3"], cells=("NL", "other"), was=None, missing_was=0.5)}
    second.features |= redrawn
    second.features["number_7"] = replace(second.features["number_7"], missing_was=None, was=np.array([-0.0]))
    later = pack_evaluation(second, first.drawing)
    assert later.drawing is first.drawing
    assert evaluation_to_text(unpack_evaluation(later)) == evaluation_to_text(second)
    fewer = pack_evaluation(quiet(2, features=19), first.drawing)
    assert fewer.drawing is not first.drawing


def test_a_quiet_window_of_twenty_features_takes_four_kilobytes_at_most() -> None:
    """JSON takes 32 kB."""
    packed = pack_evaluation(quiet(2), pack_evaluation(quiet(1)).drawing)
    assert len(packed.head) + len(packed.details) <= 4_096
    assert len(evaluation_to_text(quiet(2))) > 25_000


def test_the_same_evaluation_has_the_same_bytes() -> None:
    one, same, changed = (pack_evaluation(each) for each in (quiet(1), quiet(1), replace(quiet(1), outcome_rows=1)))
    assert (one.head, one.details, one.drawing.part) == (same.head, same.details, same.drawing.part)
    assert (one.details, one.drawing.digest) == (changed.details, changed.drawing.digest)
    assert one.head != changed.head


def test_every_field_is_in_one_part() -> None:
    parts = (*evaluation_codec._head_fields(), *DRIFT_FIELDS, *DETAILS)
    assert sorted(parts) == sorted(one.name for one in fields(Evaluation))


def test_a_part_knows_the_words_it_holds() -> None:
    joint = {"pca": JointDrift("pca", "ok", 3, None, None, 0.0, sentence="größer")}
    objective = ObjectiveState("mae", "mae <= 3", "met", 1.0, None, None, 3, slice="country=NL")
    packed = pack_evaluation(plain(joint=joint, objectives=(objective,)))
    assert [mentions(packed.head, word) for word in ("country=NL", "country=N", "größer")] == [True, False, False]
    assert [mentions(packed.details, word) for word in ("größer", "pca", "country=NL")] == [True, True, False]


def test_fields_of_another_release_are_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    """A field that is no more is passed over; one that is new has its default."""
    evaluation = quiet(1, features=2)
    whole = pack_evaluation(evaluation)
    told, head = {}, evaluation_codec._head_fields()

    def other_release(said: object, **_: object) -> str:
        assert isinstance(said, dict)
        told.update(said)
        said.pop("service", None)
        return json.JSONEncoder(separators=(",", ":")).encode({**said, "no_such_field": ["f", 0]})

    with monkeypatch.context() as patched:
        patched.setattr("driftline_processor.evaluation.evaluation_codec.json.dumps", other_release)
        other = pack_evaluation(evaluation)
    assert "service" in told
    assert "service" in head
    found = unpack_evaluation(other._replace(drawing=whole.drawing))
    assert found.service is None
    assert evaluation_to_text(replace(found, service=evaluation.service)) == evaluation_to_text(evaluation)


def test_the_form_of_a_newer_release_is_refused() -> None:
    part = pack_evaluation(quiet(1)).head
    with pytest.raises(ValueError, match="it is written in form 2, and this release knows 1"):
        unpack_head(b"\x02" + part[1:])
