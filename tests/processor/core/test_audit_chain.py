"""The chain of the audit log: what was changed, removed or moved is named by its number."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from driftline_processor.core.audit_chain import START, Head, anchor, hash_document, verify_chain

Log = list[dict[str, Any]]


def log_of(*words: str, first: int = 1, previous: str = START) -> Log:
    """Return a log with one entry per text."""
    log: Log = []
    for number, text in enumerate(words, first):
        entry: dict[str, Any] = {"sequence": number, "kind": "decided", "words": text, "previous": previous}
        previous = hash_document(entry)
        log.append({**entry, "hash": previous})
    return log


LOG = log_of("a", "b", "c", "d", "e")
HEAD = Head(5, LOG[-1]["hash"])


def flipped(log: Log) -> Log:
    return [*log[:2], {**log[2], "words": "C"}, *log[3:]]


def rehashed(log: Log) -> Log:
    entry = {**log[2], "words": "C"}
    return [*log[:2], {**entry, "hash": hash_document(entry)}, *log[3:]]


def removed(log: Log) -> Log:
    return [*log[:2], *log[3:]]


def renumbered(log: Log) -> Log:
    return [*log[:2], *({**entry, "sequence": entry["sequence"] - 1} for entry in log[3:])]


def swapped(log: Log) -> Log:
    return [*log[:2], log[3], log[2], log[4]]


def added(log: Log) -> Log:
    return [*log[:3], {**log[2]}, *log[3:]]


@pytest.mark.parametrize(
    ("tamper", "broken"), [(flipped, 3), (rehashed, 4), (removed, 3), (renumbered, 3), (swapped, 3), (added, 4)]
)
def test_the_first_entry_that_does_not_fit_is_named(tamper: Callable[[Log], Log], broken: int) -> None:
    assert verify_chain(LOG, HEAD).broken is None
    assert verify_chain(tamper(LOG)).broken == broken


def test_a_removed_end_is_noticed_only_with_the_recorded_head() -> None:
    assert verify_chain(LOG[:3]).broken is None
    short = verify_chain(LOG[:3], HEAD)
    assert (short.broken, short.reason) == (4, "the log ends before entry 5, the recorded head")
    assert verify_chain([], HEAD).broken == 1


def test_a_log_that_was_written_anew_does_not_have_the_recorded_head() -> None:
    anew = log_of("a", "b", "C", "d", "e")
    assert verify_chain(anew).broken is None
    assert verify_chain(anew, HEAD).broken == 5
    assert verify_chain(log_of("a", "b", "C", "d", "e", "f"), HEAD).broken == 5


def test_a_removed_begin_needs_an_entry_that_says_so() -> None:
    assert verify_chain(LOG[2:]).reason == "no entry says that entries 1 to 2 were removed"
    note: dict[str, Any] = {"sequence": 6, "kind": "pruned", "subject": anchor(2, LOG[1]["hash"])}
    note["previous"] = LOG[-1]["hash"]
    cut = [*LOG[2:], {**note, "hash": hash_document(note)}]
    assert verify_chain(cut, HEAD).broken is None
    assert verify_chain(cut[1:]).reason == "no entry says that entries 1 to 3 were removed"


def test_the_hash_is_that_of_sorted_json_without_white_space() -> None:
    text = '{"by":"\\u00e9","kind":"decided","sequence":1}'
    document = {"sequence": 1, "kind": "decided", "by": "é", "hash": "any"}
    assert hash_document(document) == hashlib.sha256(text.encode()).hexdigest()
    assert json.loads(text) == {name: value for name, value in document.items() if name != "hash"}


@pytest.mark.parametrize("text", ["", "5", "5:", "5:abc", f"x:{'a' * 64}", f"5:{'A' * 64}", f"-1:{'a' * 64}"])
def test_a_head_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not SEQUENCE:HASH"):
        Head.parse(text)
