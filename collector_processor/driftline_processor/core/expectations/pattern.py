"""Search texts for regular expressions in time linear in the length of a text.

The expressions are Python's, the matching is RE2's: Python's own ``re`` needs years for ``^(a+)+$`` and 50 letters. RE2
has no look-around and no back-references, so an expression that needs them is rejected when the rule is read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import groupby

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from driftline_processor.core.lazy_modules import pc

_TOKEN = re.compile(
    r"\\N\{[^}]*\}|\\u[0-9a-fA-F]{4}|\\U[0-9a-fA-F]{8}|\\.|\{,\d+\}|\(\?[aimsux]+[):-]|\[\^?\]?|.", re.DOTALL
)
_FLAGS = re.compile(r"\(\?[aimsux]+[):-]")
_ASCII = {r"\d": "0-9", r"\w": "0-9A-Za-z_", r"\s": r" \t-\r"}
_FEW = {r"\d": "0-9\u0663", r"\w": "0-9A-Za-z_\u00e9\u0663", r"\s": " \\t-\\r\\x1c-\\x1f\u3000"}
_ALL = {r"\d": r"\p{Nd}", r"\w": r"\p{L}\p{N}_", r"\s": r" \t-\r\x1c-\x1f\x85\p{Z}"}
"""Members of Python's character classes, between brackets: in ASCII, in texts after :class:`_Fewer`, and in all texts.

RE2 needs 0.2 s to compile the 700 ranges of ``^\\w{1,255}$``, and 20 µs for those of fewer characters.
"""

_LAST = 0x10FFFF
"""The last code point of Unicode (standard, section 2.4)."""

_MISSING = (
    (re.compile(r"\(\?<?[=!]"), "RE2 has no look-around, such as (?=...) and (?<!...)"),
    (re.compile(r"\\[1-9]|\(\?P=|\(\?\("), "RE2 has no back-references, such as \\1 and (?P=name)"),
    (
        re.compile(r"\(\?>|[*+?}]\+"),
        "RE2 has no atomic groups or possessive repetition; use plain ones, which are as fast",
    ),
    (re.compile(r"\(\?#|\(\?[a-zA-Z]*x"), "RE2 has no comments or verbose form; write the expression in one line"),
)


class UnusablePattern(ValueError):  # noqa: N818 - the state of an expression, and the sentence its author reads
    """An expression that cannot be matched, with the reason."""


def check_pattern(pattern: str) -> None:
    """Raise :class:`UnusablePattern` for an invalid regular expression, or one that RE2 cannot match.

    >>> check_pattern("^[0-9]+$")
    >>> check_pattern("(?=a)b")
    Traceback (most recent call last):
    ...
    driftline_processor.core.expectations.pattern.UnusablePattern: RE2 has no look-around, such as (?=...) and (?<!...)
    """
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise UnusablePattern(f"Python cannot parse the expression: {error or 'it is nested too deeply'}") from None
    try:
        pc.match_substring_regex(pa.array([""]), _re2(pattern))
    except pa.ArrowInvalid as error:
        reason = next((sentence for mark, sentence in _MISSING if mark.search(pattern)), "")
        message = str(error).removeprefix("Invalid regular expression: ")
        raise UnusablePattern(reason or f"RE2 cannot match the expression: {message}") from None


def find_pattern(pattern: str, texts: Sequence[str]) -> NDArray[np.bool_]:
    r"""Return True for texts that contain a match of a regular expression, as by ``re.search``: bool (n,).

    Differs from ``re`` in two respects: a word boundary (``\b``) uses only letters and digits of ASCII, and if case is
    ignored, letters of ASCII only match letters of ASCII.

    >>> find_pattern("^(a+)+$", ["aaa", "a" * 1000 + "!"]).tolist()
    [True, False]
    """
    written = _re2(pattern)
    if _names_ascii(pattern):
        texts = [text if text.isascii() else text.translate(_FEWER) for text in texts]
    try:
        array = pa.array(texts, pa.string())
    except UnicodeEncodeError:  # half of a surrogate pair matches as an unknown character
        array = pa.array([text.encode("utf-8", "replace").decode() for text in texts], pa.string())
    found: NDArray[np.bool_] = pc.match_substring_regex(array, written).to_numpy(zero_copy_only=False)
    return found


class _Fewer(dict[int, str]):
    """Map from all characters beyond ASCII to one letter, digit, space and sign, for expressions in ASCII only."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        if code < 128:
            return letter
        if letter.isdecimal():
            return "\u0663"
        if letter.isalnum():
            return "\u00e9"
        return "\u3000" if letter.isspace() else "\u20ac"


_FEWER = _Fewer()


def _names_ascii(pattern: str) -> bool:
    """Return True if an expression contains no character beyond ASCII, as itself or by number."""
    return pattern.isascii() and not re.search(r"\\[uUNx0-7]", pattern)


@lru_cache(maxsize=1000)
def _re2(pattern: str) -> str:
    """Return the RE2 expression that is equivalent to a Python expression."""
    tokens = _tokens(pattern)
    flags = {flag for token, inside in tokens if not inside and _FLAGS.fullmatch(token) for flag in token}
    classes = _ASCII if "a" in flags else _FEW if _names_ascii(pattern) else _ALL
    end = "$" if "m" in flags else r"(?:\n?\z)"
    written: list[str] = []
    for token, inside in tokens:
        if token.startswith("\\"):
            token = _escape(token, inside, classes)
        elif inside:
            token = r"\[" if token == "[" else token
        elif token == "$":
            token = end
        elif token.startswith("{,"):
            token = f"{{0{token[1:]}"
        elif _FLAGS.fullmatch(token):
            kept = re.sub("[au]", "", token[2:-1])
            token = f"(?{kept}{token[-1]}" if kept or token[-1] == ":" else ""
        written.append(token)
    return "".join(written)


def _tokens(pattern: str) -> list[tuple[str, bool]]:
    """Split an expression into tokens, each with whether it is between brackets."""
    tokens: list[tuple[str, bool]] = []
    inside = False
    for token in _TOKEN.findall(pattern):
        if not token.startswith("["):
            tokens.append((token, inside and token != "]"))
            inside = inside and token != "]"
        elif inside:
            tokens += [(letter, letter != "]") for letter in token]
            inside = not token.endswith("]")
        else:
            tokens.append((token, False))
            inside = True
    return tokens


def _escape(token: str, inside: bool, classes: Mapping[str, str]) -> str:
    if token[1] in "uU":
        return rf"\x{{{int(token[2:], 16):x}}}"
    if token.startswith(r"\N{"):
        return rf"\x{{{ord(unicodedata.lookup(token[3:-1])):x}}}"
    if token == r"\Z":
        return r"\z"
    held = classes.get(token.lower())
    if held is None:
        return token
    if token.islower():
        return held if inside else f"[{held}]"
    return _ranges_without(token.lower(), held) if inside else f"[^{held}]"


@lru_cache(maxsize=9)
def _ranges_without(token: str, held: str) -> str:
    """Return the characters outside a class as ranges, since RE2 has no syntax for them between brackets."""
    within = re.compile(token if r"\p" in held else f"[{held}]")
    written, first = "", 0
    for holds, codes in groupby(range(_LAST + 2), lambda code: code > _LAST or within.match(chr(code)) is not None):
        count = sum(1 for _ in codes)
        written += "" if holds else rf"\x{{{first:x}}}-\x{{{first + count - 1:x}}}"
        first += count
    return written
