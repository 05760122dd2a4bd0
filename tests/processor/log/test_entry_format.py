"""An entry is as it was written or is damaged; damage costs the entries that it touches, and no other."""

from __future__ import annotations

import pytest
from driftline_processor.log.entry_format import FOR_ANALYSIS, FOR_DESTINATIONS, HEAD_BYTES, MAGIC, Entry, encode, find
from hypothesis import given
from hypothesis import strategies as st

SALT = 7

ENTRIES = st.builds(
    Entry,
    st.sampled_from(["traces", "logs", "metrics"]),
    st.binary(max_size=200) | st.just(MAGIC * 20),
    st.integers(0, 2**62),
    st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=2).map(tuple),
    st.sampled_from([FOR_ANALYSIS, FOR_DESTINATIONS, FOR_ANALYSIS | FOR_DESTINATIONS]),
    st.sampled_from(["", "otlp_http/x"]),
)


@given(st.lists(ENTRIES), st.integers(0, 2**40))
def test_what_is_written_is_read_as_it_was(entries: list[Entry], first: int) -> None:
    kept = [encode(entry, SALT) for entry in entries]
    found = find(b"".join(kept), first, SALT)
    assert [stored.entry for stored in found.stored] == entries
    assert [stored.following - stored.position for stored in found.stored] == [len(one) for one in kept]
    assert (found.following, found.damaged) == (first + sum(map(len, kept)), 0)


@given(st.lists(ENTRIES, min_size=1, max_size=8), st.data())
def test_damaged_bytes_cost_the_entries_that_they_touch_and_no_other(entries: list[Entry], data: st.DataObject) -> None:
    kept = [encode(entry, SALT) for entry in entries]
    ends = [sum(map(len, kept[: i + 1])) for i in range(len(kept))]
    whole = bytearray(b"".join(kept))
    places = data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=6))
    touched = set[int]()
    for place in places:
        before = whole[place]
        whole[place] = data.draw(st.integers(0, 255))
        if whole[place] != before:
            touched.add(next(i for i, end in enumerate(ends) if place < end))
    found = find(bytes(whole), 0, SALT)
    sound = [entry for i, entry in enumerate(entries) if i not in touched]
    assert [stored.entry for stored in found.stored] == sound
    assert found.damaged == sum(len(one) for i, one in enumerate(kept) if i in touched)
    assert found.following == len(whole)


@given(st.lists(ENTRIES, min_size=1, max_size=4), st.data())
def test_an_entry_that_is_cut_at_the_end_waits_for_the_rest(entries: list[Entry], data: st.DataObject) -> None:
    kept = [encode(entry, SALT) for entry in entries]
    whole = b"".join(kept)
    cut = data.draw(st.integers(0, len(whole)))
    found = find(whole[:cut], 0, SALT, whole=False)
    ends = [sum(map(len, kept[: i + 1])) for i in range(len(kept))]
    assert len(found.stored) == sum(end <= cut for end in ends)
    assert found.following == max((end for end in ends if end <= cut), default=0)
    assert found.damaged == 0


def test_bytes_of_a_sender_are_never_taken_for_an_entry() -> None:
    forged = encode(Entry("traces", b"forged", 0), salt=0)
    kept = [encode(Entry("logs", forged, 0), SALT), encode(Entry("logs", b"next", 0), SALT)]
    damaged = bytearray(b"".join(kept))
    damaged[HEAD_BYTES - 1] ^= 1
    found = find(bytes(damaged), 0, SALT)
    assert [stored.entry.body for stored in found.stored] == [b"next"]


@pytest.mark.parametrize("size", [0, 1, HEAD_BYTES - 1, HEAD_BYTES, 4096])
def test_zeros_are_no_entries(size: int) -> None:
    assert find(bytes(size), 0, SALT).stored == []
