"""The script that a text is written in, from a compact table of ranges.

Our own table, after the Unicode Character Database (UAX #24, ``Scripts.txt``, 16.0), by whole blocks: what a block
holds beside letters is no letter to ``str.isalpha`` either, and is not looked up. A test compares it with the names
that Python's ``unicodedata`` gives every letter.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter

LOOKED_AT = 1000
"""Characters from the start of a text that decide: 40 µs. A longer text is hardly written in another script."""

NONE = "none"
OTHER = "other"

_RANGES = """
latin 0041 02AF 1D00 1D25 1D62 1D65 1D6B 1D77 1D79 1DBE 1E00 1EFF 2071 2071 207F 207F 2090 209C 212A 212B 2C60 2C7F
latin A722 A787 A78B A7FF AB30 AB64 FB00 FB06 FF21 FF5A
greek 0370 03E1 03F0 03FF 1D26 1D2A 1D5D 1D61 1D66 1D6A 1F00 1FFF 2126 2126
cyrillic 0400 052F 1C80 1C8F 1D2B 1D2B 1D78 1D78 A640 A69F
armenian 0531 058A FB13 FB17
hebrew 05D0 05F4 FB1D FB4F
arabic 0620 06FF 0750 077F 0870 08FF FB50 FDFF FE70 FEFC
devanagari 0900 097F A8F2 A8FF
bengali 0980 09FF
gurmukhi 0A00 0A7F
gujarati 0A80 0AFF
oriya 0B00 0B7F
tamil 0B80 0BFF
telugu 0C00 0C7F
kannada 0C80 0CFF
malayalam 0D00 0D7F
sinhala 0D80 0DFF
thai 0E00 0E7F
lao 0E80 0EFF
tibetan 0F00 0FFF
myanmar 1000 109F A9E0 A9FF AA60 AA7F
georgian 10A0 10FF 1C90 1CBF 2D00 2D2F
hangul 1100 11FF 3131 318E A960 A97C AC00 D7FB FFA0 FFDC
ethiopic 1200 139F 2D80 2DDE AB01 AB2E
khmer 1780 17FF
mongolian 1820 18AA
hiragana 3041 3096 309D 309F
katakana 30A1 30FA 30FD 30FF 31F0 31FF FF66 FF6F FF71 FF9D
han 3005 3007 3400 4DBF 4E00 9FFF F900 FAFF 20000 323AF
"""


def _table() -> tuple[list[int], list[int], list[str]]:
    ranges = []
    for line in _RANGES.split("\n")[1:-1]:
        script, *bounds = line.split()
        ranges += [(int(low, 16), int(high, 16), script) for low, high in zip(bounds[::2], bounds[1::2], strict=True)]
    lows, highs, scripts = zip(*sorted(ranges), strict=True)
    return list(lows), list(highs), list(scripts)


_LOWS, _HIGHS, _SCRIPTS = _table()
SCRIPTS = (*dict.fromkeys(_SCRIPTS), OTHER, NONE)


def script_of_letter(letter: str) -> str:
    """Return the script of one letter; "other" where the table does not have it."""
    code = ord(letter)
    at = bisect_right(_LOWS, code) - 1
    return _SCRIPTS[at] if at >= 0 and code <= _HIGHS[at] else OTHER


def script_of(text: str) -> str:
    """Return the script of most letters of a text; "none" without letters, the first one seen where two are as many.

    >>> [script_of(text) for text in ("Hello!", "Привет, world", "東京へ行く", "12:30", "שלום")]
    ['latin', 'cyrillic', 'han', 'none', 'hebrew']
    """
    text = text[:LOOKED_AT]
    if text.isascii():
        return "latin" if text.lower() != text.upper() else NONE
    letters: Counter[str] = Counter()
    for character, times in Counter(text).items():
        if character.isalpha():
            letters[script_of_letter(character)] += times
    return letters.most_common(1)[0][0] if letters else NONE
