"""The form of ids: their characters and lengths, and what two forms have in common, without any id.

Outcomes whose ids no prediction has are mostly the right ids in another form: without leading zeros, with a prefix,
in upper case. Comparing the forms shows it, and a form can be shown to readers who must not see rows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import Literal

from msgspec import Struct

IdKind = Literal["none", "digits", "generated", "uuid", "hexadecimal", "letters", "characters"]
"""``generated``: a version 7 UUID, with the number of its row in a batch, as the SDK makes it for a call without ids.
"""

Difference = Literal["", "none", "generated", "leading_zeros", "prefix", "suffix", "case", "kind", "length"]

MOST_IDS = 1000
"""Ids that are read; more do not make the form clearer."""

_SHARED = 20
"""Distinct ids that must share a prefix or suffix before it is shown: below, it could identify one of them."""

_MOST = 0.9
"""Minimum fraction of the ids with one kind, prefix or suffix; some stray ids do not change the form."""

_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-%s[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
_KINDS: tuple[tuple[IdKind, re.Pattern[str]], ...] = (
    ("digits", re.compile(r"[0-9]+")),
    ("generated", re.compile(_UUID % "7" + r"(\.\d+)?")),
    ("uuid", re.compile(_UUID % "[0-9a-f]", re.IGNORECASE)),
    ("hexadecimal", re.compile(r"(?=.*\d)[0-9a-f]{8,}", re.IGNORECASE)),
    ("letters", re.compile(r"[^\W\d_]+")),
)
_PREFIX = re.compile(r"[^\W\d]+([-_:/.#|]|(?=\d))")
_SUFFIX = re.compile(r"[-_:/.#|]\w+$")


class IdForm(Struct, frozen=True):
    """The form that most ids of a set have.

    Attributes:
        kind: The characters of their bodies; "none" without ids.
        shortest: Characters of the shortest body: the id without prefix and suffix.
        longest: Characters of the longest body.
        leading_zeros: True if a body of digits begins with a zero.
        prefix: Text with which they begin, such as "CUST-"; "" if they share none.
        suffix: Text with which they end, such as ".0"; "" if they share none.
        case: "upper" or "lower" if all letters of the bodies have it.
        alphabet: Of bodies of the kind "characters": "letters", "digits", and the other characters.
    """

    kind: IdKind = "none"
    shortest: int = 0
    longest: int = 0
    leading_zeros: bool = False
    prefix: str = ""
    suffix: str = ""
    case: Literal["", "lower", "upper"] = ""
    alphabet: tuple[str, ...] = ()

    def difference(self, other: IdForm) -> Difference:
        """Return the first difference from the form of other ids; "" if both are the same.

        >>> describe_ids(["00000012", "00000007"]).difference(describe_ids(["12", "7"]))
        'leading_zeros'
        """
        both = {self.kind, other.kind}
        if "none" in both:
            return "none" if len(both) > 1 else ""
        if "generated" in both and len(both) > 1:
            return "generated"
        if both == {"digits"} and self.leading_zeros != other.leading_zeros:
            return "leading_zeros"
        if self.prefix != other.prefix:
            return "prefix"
        if self.suffix != other.suffix:
            return "suffix"
        if len(both) > 1:
            return "kind"
        if self.case != other.case and self.case and other.case:
            return "case"
        return "length" if self.longest < other.shortest or other.longest < self.shortest else ""


def describe_ids(ids: Iterable[str]) -> IdForm:
    """Return the form of ids; empty ones do not count.

    Args:
        ids: Ids, of which at most ``MOST_IDS`` distinct ones are read.

    >>> describe_ids(f"CUST-{number}" for number in range(1, 300))
    IdForm(kind='digits', shortest=1, longest=3, leading_zeros=False, prefix='CUST-', suffix='', case='', alphabet=())
    """
    distinct: dict[str, None] = {}
    for text in ids:
        if text:
            distinct[text] = None
            if len(distinct) == MOST_IDS:
                break
    if not distinct:
        return IdForm()
    prefix, suffix = _shared(_PREFIX.match, distinct), _shared(_SUFFIX.search, distinct)
    kinds = [(text, _kind(text)) for text in distinct]
    if prefix or suffix:
        bodies = (text.removeprefix(prefix).removesuffix(suffix) for text in distinct)
        kinds = [(text, _kind(text)) for text in bodies if text]
    kind, count = Counter(kind for _, kind in kinds).most_common(1)[0]
    if count < _MOST * len(kinds):
        kind = "characters"
    else:
        kinds = [pair for pair in kinds if pair[1] == kind]
    characters = "".join(text for text, _ in kinds)
    lengths = [len(text) for text, _ in kinds]
    return IdForm(
        kind=kind,
        shortest=min(lengths),
        longest=max(lengths),
        leading_zeros=kind == "digits" and any(text[0] == "0" and len(text) > 1 for text, _ in kinds),
        prefix=prefix,
        suffix=suffix,
        case="lower" if characters.islower() else "upper" if characters.isupper() else "",
        alphabet=_alphabet(characters) if kind == "characters" else (),
    )


def _kind(text: str) -> IdKind:
    return next((kind for kind, pattern in _KINDS if pattern.fullmatch(text)), "characters")


def _alphabet(characters: str) -> tuple[str, ...]:
    marks = "".join(sorted({mark for mark in characters if not mark.isalnum()}))
    letters = ("letters",) if any(map(str.isalpha, characters)) else ()
    digits = ("digits",) if any(map(str.isdigit, characters)) else ()
    return (*letters, *digits, *((marks,) if marks else ()))


def _shared(find: Callable[[str], re.Match[str] | None], ids: Collection[str]) -> str:
    """Return the text that a pattern finds in most ids; "" if they are few or share none."""
    if len(ids) < _SHARED:
        return ""
    texts = Counter(match.group() for text in ids if (match := find(text)))
    text, count = texts.most_common(1)[0] if texts else ("", 0)
    return text if count >= _MOST * len(ids) else ""
