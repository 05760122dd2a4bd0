"""What is stored of an evaluation is read back as it was: every field, and every value that a field may have."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec
import numpy as np
import pytest
from driftline.tables.table import ModelKey
from driftline_processor.core import facts
from driftline_processor.core.evaluation import (
    ColumnDrift,
    Curve,
    DriftContributor,
    Evaluation,
    Finding,
    JointDrift,
    MethodValue,
    MetricValue,
    ObjectiveState,
    ServiceLevel,
    SlicePerformance,
)
from driftline_processor.core.fact import UnknownFact
from driftline_processor.core.windows.window import Window
from driftline_processor.evaluation.evaluation_codec import (
    DETAILS,
    Dictionary,
    ZstdError,
    decode_evaluation,
    decode_head,
    encode_evaluation,
    mentions,
)
from driftline_processor.present.sentences.references import compared_words
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from msgspec.structs import replace

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
        detectable_change=0.39583333, alike=(seed % 35, 35), p_normal_variation=values[8],
    )  # fmt: skip


def quiet(seed: int, features: int = 20) -> Evaluation:
    columns = {f"number_{at}": column(f"number_{at}", 1_000 * seed + at) for at in range(features)}
    score = structs.replace(column("score", seed), column="score", name="")
    return plain(features=columns, score=score, fraction=0.0, baseline_version="1", service=ServiceLevel(1_200, 0))


def same(evaluation: Evaluation) -> None:
    assert evaluation_to_text(decode_evaluation(encode_evaluation(evaluation))) == evaluation_to_text(evaluation)


@pytest.mark.parametrize("seed", range(40))
def test_whatever_an_evaluation_holds_is_read_back(seed: int) -> None:
    same(Builder(seed, gaps=seed % 4 / 4).build(Evaluation))


NUMBERS = st.one_of(st.none(), st.floats())
TEXTS = st.text(max_size=9)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(TEXTS, st.tuples(NUMBERS, NUMBERS, TEXTS), max_size=5))
def test_numbers_and_names_of_all_kinds_are_read_back(told: dict[str, tuple[float | None, float | None, str]]) -> None:
    """Not a number, endless, none; names in any script."""
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
    found = decode_evaluation(encode_evaluation(plain(fraction=np.float64(0.5), outcome_rows=np.int64(3))))
    assert (found.fraction, found.outcome_rows) == (0.5, 3)
    assert (type(found.fraction), type(found.outcome_rows)) == (float, int)


def test_what_is_no_value_is_refused() -> None:
    with pytest.raises(TypeError, match="object cannot be stored in an evaluation"):
        encode_evaluation(plain(fraction=object()))


def test_half_a_surrogate_is_stored_as_a_question_mark() -> None:
    curve = Curve("x", "y", np.array([[0.5, 2.5]]))
    features = {"a\ud800": column("b\udfff", 3)}
    found = decode_evaluation(
        encode_evaluation(plain(positive_class="\ud8001", features=features, curves={"c": curve}))
    )
    assert (found.positive_class, [*found.features], found.features["a?"].name) == ("?1", ["a?"], "b?")
    assert found.features["a?"].now is not None
    assert found.features["a?"].now.tolist() == features["a\ud800"].now.tolist()  # type: ignore[union-attr]
    assert found.curves["c"].points.tolist() == [[0.5, 2.5]]


def compressed(evaluation: Evaluation, dictionary: Dictionary) -> bytes:
    return dictionary.compress(encode_evaluation(evaluation))


def test_windows_are_compressed_against_an_earlier_one() -> None:
    dictionary = Dictionary(encode_evaluation(quiet(1)))
    blob = compressed(quiet(2), dictionary)
    same_dictionary = Dictionary.unpack(dictionary.pack())
    assert same_dictionary.digest == dictionary.digest
    found = decode_evaluation(same_dictionary.decompress(blob))
    assert evaluation_to_text(found) == evaluation_to_text(quiet(2))
    assert len(compressed(quiet(1), dictionary)) < 100


def test_a_quiet_window_of_twenty_features_takes_3500_bytes_at_most() -> None:
    """JSON takes 32 kB."""
    assert len(compressed(quiet(2), Dictionary(encode_evaluation(quiet(1))))) <= 3_500
    assert len(evaluation_to_text(quiet(2))) > 25_000


@pytest.mark.parametrize("at", [0, 5, 40, -20, -1])
def test_a_damaged_byte_is_an_error(at: int) -> None:
    dictionary = Dictionary(encode_evaluation(quiet(1)))
    blob, packed = bytearray(compressed(quiet(2), dictionary)), bytearray(dictionary.pack())
    blob[at] ^= 0x41
    packed[at] ^= 0x41
    with pytest.raises(ZstdError):
        dictionary.decompress(bytes(blob))
    with pytest.raises(ZstdError):
        Dictionary.unpack(bytes(packed))


def test_another_dictionary_is_an_error() -> None:
    blob = compressed(quiet(2), Dictionary(encode_evaluation(quiet(1))))
    with pytest.raises(ZstdError):
        Dictionary(encode_evaluation(quiet(3))).decompress(blob)


def test_the_same_evaluation_has_the_same_bytes() -> None:
    one, same, changed = map(encode_evaluation, (quiet(1), quiet(1), replace(quiet(1), outcome_rows=1)))
    assert one == same
    assert one != changed


def test_a_head_is_read_without_the_details() -> None:
    evaluation: Evaluation = Builder(3).build(Evaluation)
    head = decode_head(encode_evaluation(evaluation))
    assert sorted((*head, *DETAILS)) == sorted(Evaluation.__struct_fields__)
    read = decode_evaluation(encode_evaluation(evaluation))
    assert evaluation_to_text(replace(read, **head)) == evaluation_to_text(evaluation)


def test_an_evaluation_mentions_the_words_it_holds() -> None:
    joint = {"pca": JointDrift("pca", "ok", 3, None, None, 0.0, contributors=(DriftContributor(("größer",), 1.0),))}
    objective = ObjectiveState("mae", "mae <= 3", "met", 1.0, None, None, 3, slice="country=NL")
    raw = encode_evaluation(plain(joint=joint, objectives=(objective,)))
    words = ("country=NL", "country=N", "größer", "pca", "pc")
    assert [mentions(raw, word) for word in words] == [True, False, True, True, False]


def test_fields_of_another_release_are_no_obstacle() -> None:
    """A field that is no more is skipped; one that is new has its default."""
    evaluation = quiet(1, features=2)
    head, details, *numbers = msgspec.msgpack.decode(encode_evaluation(evaluation))
    first, second = msgspec.msgpack.decode(head), msgspec.msgpack.decode(details)
    del first["service"]
    second["features"]["number_1"]["no_such_field"] = [1, {"a": 0.5}]
    parts = [msgspec.msgpack.encode(one) for one in ({"no_such_field": 3, **first}, second)]
    raw = msgspec.msgpack.encode([*parts, *numbers, b"no such part"])
    found = decode_evaluation(raw)
    assert found.service is None
    assert decode_head(raw)["service"] is None
    assert evaluation_to_text(replace(found, service=evaluation.service)) == evaluation_to_text(evaluation)


LEFT_OUT = {"kind": "own_last_rows", "values": {
    "last": "30d", "without": "", "rows": 9_000, "left_out": [1, 2], "timezone": "UTC",
}}  # fmt: skip
MISSING = Finding("missing", ("age",), "major", 0.02, 0.9, 0.0)
STORED_MISSING = {"kind": "finding", "values": structs.asdict(MISSING)}


def test_facts_of_earlier_releases_are_read() -> None:
    """A fact had its fields under ``values``, and the facts in it likewise."""
    named = {"kind": "named_finding", "values": structs.asdict(MISSING)}
    likely = {"kind": "likely_cause", "values": {"cause": STORED_MISSING, "others": ["pay"], "share": 0.6}}
    level = {"predicted": 0.2, "actual": 0.3, "low": None, "high": None, "positive_class": "late"}
    off = {"kind": "level_of_scores", "values": {**level, "constant_is_better": True}}
    found = with_facts(LEFT_OUT, named, likely, {"kind": "baseline_level_off", "values": {"level": off}})
    assert found.compared == (
        facts.OwnLastRows("30d", "", 9_000, (1, 2), "UTC"),
        facts.NamedFinding(MISSING),
        facts.LikelyCause(MISSING, ("pay",), 0.6),
        facts.BaselineLevelOff(facts.LevelOfScores(0.2, 0.3, None, None, "late", constant_is_better=True)),
    )


def test_findings_without_a_kind_are_read() -> None:
    """Findings were facts only when they were evidence, and were stored without a kind elsewhere."""
    head, *others = msgspec.msgpack.decode(encode_evaluation(plain(findings=(MISSING,))))
    stored = msgspec.msgpack.decode(head)
    del stored["findings"][0]["kind"]
    assert decode_evaluation(msgspec.msgpack.encode([msgspec.msgpack.encode(stored), *others])).findings == (MISSING,)


def test_facts_of_later_releases_have_no_words() -> None:
    later = {"kind": "of_a_later_release", "rows": 3}
    renamed = {"kind": "own_first_week", "number_of_rows": 3}
    found = with_facts(
        later, renamed, {"kind": "own_first_week", "rows": 3, "days": 7}, {"kind": "and_also", "reason": later}
    )
    assert found.compared == (
        UnknownFact("of_a_later_release"),
        UnknownFact("own_first_week"),
        facts.OwnFirstWeek(3),
        facts.AndAlso(UnknownFact("of_a_later_release")),
    )
    assert compared_words(found.compared) == "its own first week, 3 rows"
    same(found)


def with_facts(*stored: Mapping[str, object]) -> Evaluation:
    """Return an evaluation whose reference has notes as another release stored them."""
    head, *others = msgspec.msgpack.decode(encode_evaluation(plain()))
    head = msgspec.msgpack.encode({**msgspec.msgpack.decode(head), "compared": stored})
    return decode_evaluation(msgspec.msgpack.encode([head, *others]))


@pytest.mark.parametrize("raw", [b"", b"\x00", b"\x95\xc4\x00\xc4\x00\xc4\x00\xc4\x00\xc4\x00"])
def test_bytes_that_are_no_evaluation_are_an_error(raw: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, msgspec.ValidationError)):
        decode_evaluation(raw)
