"""The entries of the audit log, and the chain of hashes that shows whether one was changed, removed or moved.

The hash of an entry is the SHA-256 of its JSON object without ``hash``: keys in alphabetical order, no white space,
only ASCII characters. ``previous`` is the hash of the entry before it, so each hash covers all entries before it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, get_args

from msgspec import Struct

EntryKind = Literal[
    "fired",
    "resolved",
    "notified",
    "ordered",
    "attempted",
    "answered",
    "approved",
    "acknowledged",
    "decided",
    "annotated",
    "silenced",
    "rows_read",
    "outcomes_sent",
    "panes_sent",
    "baseline_set",
    "erasure_ordered",
    "erased",
    "backed_up",
    "configured",
    "login",
    "login_failed",
    "imported",
    "pruned",
]
"""Kind of an entry.

A policy fires, or its alert ends; a notification is queued, or an action ordered; an attempt to send it, with its
answer; its final result; an approval, an acknowledgement, a decision about a model, or an annotation; a silence begins
or is ended; rows are read; outcomes are sent by hand; a batch job sends panes; a baseline is set; a deletion is
ordered, or finished; the configuration is loaded; somebody logs in, or fails to; entries of an older state are
imported; old entries are removed.
"""

KINDS: Final[tuple[EntryKind, ...]] = get_args(EntryKind)

START: Final = "0" * 64
"""``previous`` of the first entry."""


class Entry(Struct, frozen=True, kw_only=True):
    """An entry of the audit log.

    Attributes:
        sequence: Its number, from 1 without gaps.
        time: Wall time in unix nanoseconds.
        kind: Kind of the entry.
        by: Person or token; "" = Driftline.
        how: How that person logged in; "" if not applicable.
        model: Name of the model, or a pattern of names for a configured silence; "" without a model.
        environment: Environment of the model; "" if not given.
        subject: What it is about: the policy, channel, action, silence, address or file.
        words: Description.
        why: Reason, result or answer.
        alert: Id of the alert; "" without an alert.
        count: Number of rows, outcomes or attempts that this entry stands for; None if not applicable.
        digests: Keyed digests of prediction ids or data subjects; of an approval, the digest of the approved request;
            of a removal, the hash of the entry before the removed ones.
        previous: Hash of the entry before it.
        hash: Its own hash.
    """

    kind: EntryKind
    words: str
    by: str = ""
    how: str = ""
    model: str = ""
    environment: str = ""
    subject: str = ""
    why: str = ""
    alert: str = ""
    count: int | None = None
    digests: tuple[str, ...] = ()
    time: int = 0
    sequence: int = 0
    previous: str = START
    hash: str = ""


class Head(Struct, frozen=True):
    """The last entry of a log.

    >>> Head.parse("12:" + "ab" * 32).sequence
    12
    """

    sequence: int
    hash: str

    @classmethod
    def parse(cls, text: str) -> Head:
        """Read ``SEQUENCE:HASH``. Raises ValueError."""
        number, _, digest = text.strip().partition(":")
        if not number.isdecimal() or len(digest) != len(START) or set(digest) - set("0123456789abcdef"):
            raise ValueError(f"'{text[:100]}' is not SEQUENCE:HASH, such as 12:{'ab' * 32}")
        return cls(int(number), digest)

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"


class Verification(Struct, frozen=True):
    """The result of verifying a log.

    Attributes:
        entries: Number of entries that were read.
        first: Number of the first entry; 0 without entries.
        head: Its last entry.
        broken: Number of the first entry that is changed, missing or moved; None if the chain is intact.
        reason: Why it is broken; "" if it is intact.
        removed: First and last number of each range that a later entry notes as removed.
    """

    entries: int
    first: int
    head: Head
    broken: int | None = None
    reason: str = ""
    removed: tuple[tuple[int, int], ...] = ()


def hash_document(document: Mapping[str, Any]) -> str:
    """Return the hash of an entry in the format of the API and of an export.

    >>> hash_document({"words": "a", "sequence": 1, "hash": "is not part of it"})[:16]
    '53acf54afe995ffd'
    """
    content = {name: value for name, value in document.items() if name != "hash"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def anchor(sequence: int, previous: str) -> str:
    """Return the subject of the entry that notes a cut: the last removed entry and its hash."""
    return str(Head(sequence, previous))


def verify_chain(documents: Iterable[Mapping[str, Any]], recorded: Head | None = None) -> Verification:
    """Verify all entries of a log, oldest first.

    Args:
        documents: Entries in the format of the API and of an export.
        recorded: A head of the same log that was recorded earlier; entries removed from the end are noticed only by it.
    """
    first, head, entries = 0, Head(0, START), 0
    removed: list[tuple[int, str, tuple[str, ...]]] = []  # first number, anchor and hash before of each missing range
    noted: set[tuple[str, tuple[str, ...]]] = set()
    for document in documents:
        sequence, previous = document.get("sequence"), document.get("previous")
        if not isinstance(sequence, int) or not isinstance(previous, str):
            return Verification(entries, first, head, head.sequence + 1, "it has no number or no previous hash")
        expected = head.sequence + 1
        if sequence > expected:
            removed.append((expected, anchor(sequence - 1, previous), (head.hash,) if entries else ()))
            expected, head = sequence, Head(sequence - 1, previous)
        first = first or sequence
        reason = ""
        if sequence != expected:
            reason = f"entry {sequence} follows entry {head.sequence}"
        elif previous != head.hash:
            reason = "its previous hash is not the hash of the entry before it"
        elif document.get("hash") != hash_document(document):
            reason = "its content does not have its hash"
        elif recorded is not None and sequence == recorded.sequence and document["hash"] != recorded.hash:
            reason = "its hash is not the recorded one"
        if reason:
            return Verification(entries, first, head, sequence if sequence < head.sequence else expected, reason)
        if document.get("kind") == "pruned":
            noted.add((str(document.get("subject")), tuple(map(str, document.get("digests") or ()))))
        head, entries = Head(sequence, str(document["hash"])), entries + 1
    ranges = tuple((start, Head.parse(last).sequence) for start, last, before in removed if (last, before) in noted)
    for start, last, before in removed:
        if (last, before) not in noted:
            reason = f"no entry says that entries {start} to {Head.parse(last).sequence} were removed"
            return Verification(entries, first, head, start, reason, ranges)
    if recorded is not None and recorded.sequence > head.sequence:
        reason = f"the log ends before entry {recorded.sequence}, the recorded head"
        return Verification(entries, first, head, head.sequence + 1, reason, ranges)
    return Verification(entries, first, head, removed=ranges)
