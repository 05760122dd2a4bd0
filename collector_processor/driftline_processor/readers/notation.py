"""Notation of numbers and dates in files without types: `1.234,56`, `$1,234`, `31/12/2026`.

One notation holds for a whole column. Where two fit, an option decides, else the baseline, else the other columns, and
the choice is said. Each distinct text of a batch is read once, by Arrow; what Arrow takes for numbers is not looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from driftline.tables.table import F64, I64
from numpy.typing import NDArray

from driftline_processor.present.numbers import many

from .arrow_columns import is_text, mask_of, positions, truth_of, valid_of, values_of
from .errors import Say
from .source import DATES, NUMBERS, PERCENT, STYLES, WORDS, CellPlace, Notation, Source, Style

Notations: TypeAlias = "dict[str, Notation]"
"""Column → how it is written."""

MOSTLY = 0.9
"""A column of texts is one of numbers, or of dates, where at least this share of its values is."""

_SPACE = "[ \t\u00a0\u202f\u2009]"
_CODES = "USD|EUR|GBP|JPY|CHF|CNY|INR|BRL|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|RON|TRY|ZAR|MXN|KRW|SGD|HKD|RUB|ILS"
_UNIT = rf"(?:[A-Z]{{0,2}}\p{{Sc}}|{_CODES}|kr\.?|zł|Rs\.?|Fr\.?|%)"
_MINUS = "[-\u2212]"
_DRESS = r"[^0-9.,]"
_SIGN = f"(?:[+]|{_MINUS})"


def _patterns(decimal: str, between: str) -> tuple[str, str]:
    """Return the patterns of numbers with a decimal and a thousands mark, and of numbers with a unit or brackets."""
    grouped = rf"[1-9]\d{{0,2}}(?:{between}\d{{3}})+"
    if between == ",":
        grouped += r"|[1-9]\d?(?:,\d{2})+,\d{3}"  # lakh and crore: 12,34,567
    fraction = rf"(?:{decimal}\d*)?"
    simple = rf"^ *-?(?:(?:{grouped}|\d+){fraction}|{decimal}\d+)(?:[eE][+-]?\d{{1,3}})? *$"
    spaced = "|".join(rf"[1-9]\d{{0,2}}(?:{mark}\d{{3}})+" for mark in (_SPACE, "['\u2019]"))
    number, gap = rf"(?:(?:{grouped}|{spaced}|\d+){fraction}|{decimal}\d+)", f"{_SPACE}*"
    forms = (
        rf"{_SIGN}?{gap}(?:{_UNIT}{gap})?{number}|{_UNIT}{gap}{_SIGN}{number}|{_SIGN}?{gap}{number}{gap}{_UNIT}",
        rf"\((?:{_UNIT}{gap})?{number}\)|\({number}{gap}{_UNIT}\)|{_UNIT}{gap}\({number}\)|\({number}\){gap}{_UNIT}",
        rf"(?:{_UNIT}{gap})?{number}{_MINUS}|{number}{_MINUS}{gap}{_UNIT}",
    )
    return simple, rf"^{gap}(?:{'|'.join(forms)}){gap}$"


_NUMBER = {"decimal_point": _patterns(r"\.", ","), "decimal_comma": _patterns(",", r"\.")}
_PLAIN = r"^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$"
_DATED = r"^\s*\d{1,4}[/.-]\d{1,2}[/.-]\d|[A-Za-z]{3}"
_ISO = r"^\s*\d{4}-\d{2}-\d{2}"

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = rf"(?P<name>(?i:{'|'.join(_MONTHS)}))(?i:[a-z]*)\.?"
_CLOCK = (
    r"(?:[T ,]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
    r" *(?P<half>(?i:[ap]\.?m\.?))? *(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2})?)?\s*$"
)
_DATE_FORMS = (
    r"^\s*(?P<one>\d{1,2})[/.-](?P<two>\d{1,2})[/.-](?P<year>\d{4})" + _CLOCK,
    r"^\s*(?P<one>\d{1,2})/(?P<two>\d{1,2})/(?P<year>\d{2})" + _CLOCK,
    r"^\s*(?P<one>\d{2})\.(?P<two>\d{2})\.(?P<year>\d{2})" + _CLOCK,
    r"^\s*(?P<year>\d{4})[/.-](?P<month>\d{1,2})[/.-](?P<day>\d{1,2})" + _CLOCK,
    r"^\s*(?P<day>\d{1,2})[ .-]*" + _MONTH + r"[ ,-]*(?P<year>\d{4}|\d{2})" + _CLOCK,
    r"^\s*" + _MONTH + r" *(?P<day>\d{1,2})(?:st|nd|rd|th)?[ ,]+(?P<year>\d{4})" + _CLOCK,
)


@dataclass(frozen=True, slots=True)
class KnownNotation:
    """The notation of columns that is known before they are read.

    Attributes:
        decimal: "." or ",", ``day_first``: what an option says, "" and None where none does.
        known: Column → the style that the baseline's rows had.
        numbers: Columns that are numbers however few of their texts are.
        times: Those that are times.
        as_they_are: Texts that stand for themselves: classes, slices, versions.
        sizes: Column → the size of a usual value in the baseline, which decides where nobody knows the style.
    """

    decimal: str = ""
    day_first: bool | None = None
    known: Mapping[str, str] = field(default_factory=dict)
    numbers: Collection[str] = ()
    times: Collection[str] = ()
    as_they_are: Collection[str] = ()
    sizes: Mapping[str, float] = field(default_factory=dict)


NOTHING_KNOWN = KnownNotation()


def with_notation(
    sources: Sequence[Source], written: KnownNotation, text: Collection[str], say: Say, semicolons: bool = False
) -> list[Source]:
    """Return files that are one set of rows as what they hold; say how columns are read that could be read otherwise.

    The arguments are those of :func:`find_notations`.
    """
    found = find_notations(sources, written, text, semicolons)
    for name, notation in found.items():
        if notation.plain and not notation.other:
            continue
        known = written.known.get(name, str(notation.style))
        before = f"; the baseline's rows had {WORDS[known][1]}" if known != notation.style else ""
        say(f"{name}: {notation.sentence()}{before}")
    return [NotedSource(source, found) for source in sources] if found else list(sources)


def report_unreadable(sources: Sequence[Source], names: Collection[str], say: Say) -> None:
    """Count and name the values of columns that cannot be read as the others of their column are."""
    for name, notation in notations_of(sources).items():
        if notation.unread and notation.first is not None and name in names:
            place, kind = notation.first, "date" if notation.is_date else "number"
            like = "" if notation.plain else f" as '{notation.example}' is"
            count = f"{notation.unread:,} of {many(notation.values, 'value')}"
            say(
                f"{place.path}: {name}: {count} without a {kind}{like}, "
                f"taken as missing: the first is row {place.row}, {place.text[:80]!r}"
            )


def notations_of(sources: Sequence[Source]) -> Mapping[str, Notation]:
    """Return how the columns of files that are one set of rows are written."""
    return sources[0].notations if sources else {}


def notations_to_remember(notations: Mapping[str, Notation], names: Collection[str]) -> dict[str, list[str]]:
    """Return what a baseline remembers of how its columns are written: style → columns, where it matters."""
    kept = {
        name: notation
        for name, notation in notations.items()
        if name in names and (notation.other or not notation.plain)
    }
    return {style: found for style in STYLES if (found := [name for name, one in kept.items() if one.style == style])}


def known_styles(columns: Mapping[str, str | Sequence[str]]) -> dict[str, str]:
    """Return column → style, as a baseline remembers them.

    >>> known_styles({"features": ["a", "b"], "decimal_comma": ["a"]})
    {'a': 'decimal_comma'}
    """
    return {name: style for style in STYLES for name in columns.get(style, ())}


def find_notations(
    sources: Sequence[Source], written: KnownNotation, text: Collection[str], semicolons: bool = False
) -> Notations:
    """Return the notation of the columns of files that are one set of rows.

    ``text``: columns whose texts stand for themselves. ``semicolons``: they stand between the values of a file. A
    column that is neither of numbers nor of dates is left out.
    """
    left = {*text, *written.as_they_are}
    surveys: dict[str, _Survey] = {}
    for source in sources:
        names = {
            one.name
            for one in source.schema
            if _is_string(one.type) and one.name not in left
            if one.name in source.by_looks or one.name in written.times
        }
        before = 0
        for batch in source.batches(names) if names else ():
            for name in batch.schema.names:
                if name in names:
                    surveys.setdefault(name, _Survey()).add(source.path, before, batch.column(name))
            before += batch.num_rows
            names -= {name for name in names if surveys[name].is_hopeless(name, written)}
            if not names:
                break
    kinds = {name: survey.kind(name, written) for name, survey in surveys.items()}
    known = {name: (surveys[name], kind) for name, kind in kinds.items() if kind}
    votes = {style: sum(survey.shows(kind, style) for survey, kind in known.values()) for style in STYLES}
    return {name: one.notation(name, kind, written, votes, semicolons) for name, (one, kind) in known.items()}


def _is_string(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


@dataclass(slots=True)
class _Survey:
    """The counts of values of a column that each style reads, by unit."""

    values: int = 0
    fits: Counter[tuple[Style, str]] = field(default_factory=Counter)
    differ: Counter[tuple[Style, ...]] = field(default_factory=Counter)
    plain: int = 0
    iso: int = 0
    digits: int = 0
    commas: bool = False
    dots: bool = False
    sizes: dict[Style, float] = field(default_factory=dict)
    examples: dict[tuple[Style, str], str] = field(default_factory=dict)
    first: dict[tuple[Style, str | None], CellPlace] = field(default_factory=dict)

    def add(self, path: str, before: int, array: pa.Array) -> None:
        """Count the values of a batch; ``before``: so many rows of the file came before it."""
        codes, texts = _distinct(array)
        there = codes >= 0
        counts = np.bincount(codes[there], minlength=len(texts))
        self.values += int(there.sum())
        self.digits += int(counts[truth_of(pc.match_substring_regex(texts, r"\d"))].sum())
        plain = truth_of(pc.match_substring_regex(texts, _PLAIN))
        self.plain += int(counts[plain].sum())
        self.iso += int(counts[truth_of(pc.match_substring_regex(texts, _ISO))].sum())
        numbers = {style: _read_numbers(texts, style) for style in NUMBERS}
        for kind, found in ((NUMBERS, numbers), (DATES, _read_dates(texts))):
            one, other = (found[style] for style in kind)
            apart = one.fits & other.fits & (one.values != other.values)
            self.differ[kind] += int(counts[apart].sum())
            if kind == NUMBERS and apart.any() and not self.sizes:
                self.sizes = {style: _size(parsed.values[apart]) for style, parsed in found.items()}
            self.commas |= bool(truth_of(pc.match_substring(texts.filter(mask_of(apart)), ",")).any())
            self.dots |= bool(truth_of(pc.match_substring(texts.filter(mask_of(apart)), ".")).any())
            for style, parsed in found.items():
                telling = apart | ~(one.fits & other.fits)
                if kind == NUMBERS:
                    telling |= ~plain
                self._count(style, parsed, telling, codes, counts, texts, path, before)

    def _count(
        self,
        style: Style,
        parsed: _Parsed,
        telling: NDArray[np.bool_],
        codes: I64,
        counts: I64,
        texts: pa.Array,
        path: str,
        before: int,
    ) -> None:
        for at, unit in enumerate(parsed.units):
            which = parsed.fits & (parsed.unit == at)
            self.fits[style, unit] += int(counts[which].sum())
            if (style, unit) not in self.examples and which.any():
                some = np.flatnonzero(which & telling if (which & telling).any() else which)[:100].tolist()
                self.examples[style, unit] = max((texts[at].as_py().strip() for at in some), key=len)
        places: list[tuple[str | None, NDArray[np.bool_]]] = [(None, ~parsed.fits)]
        places += [(unit, parsed.fits & (parsed.unit == at)) for at, unit in enumerate(parsed.units)]
        for key, which in places:
            if (style, key) in self.first or not which.any():
                continue
            rows_of_it = np.flatnonzero(np.append(which, False)[codes])
            if len(rows_of_it):
                row = int(rows_of_it[0])
                self.first[style, key] = CellPlace(path, before + row + 1, texts[int(codes[row])].as_py())

    def is_hopeless(self, name: str, written: KnownNotation) -> bool:
        """Return True where so few of the values have a digit that the column is neither of numbers nor of dates."""
        return self.digits < MOSTLY / 2 * self.values and name not in written.numbers and name not in written.times

    def kind(self, name: str, written: KnownNotation) -> tuple[Style, ...]:
        """Return the styles of what the column holds; () where it holds neither numbers nor dates."""
        reads = {kind: max(self._fits(style) for style in kind) for kind in (NUMBERS, DATES)}
        if reads[DATES] <= self.iso:  # who reads times reads these
            reads[DATES] = 0
        if reads[NUMBERS] and name in written.numbers:
            return NUMBERS
        if reads[DATES] and name in written.times:
            return DATES
        kind = max(reads, key=lambda read: reads[read])
        return kind if reads[kind] >= MOSTLY * self.values and reads[kind] else ()

    def shows(self, kind: tuple[Style, ...], style: Style) -> bool:
        """Return True where the values are of this style, and could not be of the other one."""
        return style in kind and self._fits(style) > min(self._fits(one) for one in kind)

    def notation(
        self, name: str, kind: tuple[Style, ...], written: KnownNotation, votes: Mapping[Style, int], semicolons: bool
    ) -> Notation:
        """Choose the style that reads most values; where two read as many, what is said or known elsewhere."""
        first, second = kind
        best, decided_by, other = max(kind, key=self._fits), "values", ""
        equal = self._fits(first) == self._fits(second)
        if equal and self.differ[kind]:
            best, decided_by = self._decide(kind, name, written, votes, semicolons)
            other = second if best == first else first
        accepted = self._accepted(best)
        named = [self.examples[best, unit] for unit in accepted if (best, unit) in self.examples]
        named.sort(key=len)
        unread = [place for (style, unit), place in self.first.items() if style == best and unit not in accepted]
        n = self._fits(best)
        return Notation(
            best,
            max(accepted, key=lambda unit: (unit != "", self.fits[best, unit])) if accepted else "",
            named[-1] if named else "",
            decided_by,
            other,
            self.values,
            self.values - n,
            min(unread, default=None),
            kind == NUMBERS and best == "decimal_point" and self.plain >= n,
            equal and not self.differ[kind],
        )

    def _decide(
        self, kind: tuple[Style, ...], name: str, written: KnownNotation, votes: Mapping[Style, int], semicolons: bool
    ) -> tuple[Style, str]:
        first, second = kind
        if kind == NUMBERS and written.decimal:
            return ("decimal_comma" if written.decimal == "," else "decimal_point"), "--decimal"
        if kind == DATES and written.day_first is not None:
            return ("day_first", "--dayfirst") if written.day_first else ("month_first", "--monthfirst")
        for style in kind:
            if written.known.get(name) == style:
                return style, "baseline"
        if kind == NUMBERS and (usual := written.sizes.get(name, 0.0)) > 0 and self.sizes:
            apart = {style: abs(np.log10(max(size, 1e-300) / usual)) for style, size in self.sizes.items()}
            nearer = min(apart, key=lambda style: apart[style])
            if apart[nearer] <= 1.0:  # within a factor of ten, where the other reading is a thousand times apart
                return nearer, "baseline"
        if bool(votes[first]) != bool(votes[second]):
            return (first if votes[first] else second), "other columns"
        if kind == NUMBERS:
            return ("decimal_comma", "semicolons") if semicolons and self.commas else ("decimal_point", "default")
        return ("day_first", "default") if self.dots else ("month_first", "default")

    def _fits(self, style: Style) -> int:
        return sum(self.fits[style, unit] for unit in self._accepted(style))

    def _accepted(self, style: Style) -> tuple[str, ...]:
        """Return the units of a column: per cent where most values have it, else none and the most common currency."""
        counts = {unit: count for (one, unit), count in self.fits.items() if one == style and count}
        if counts.get(PERCENT, 0) * 2 > sum(counts.values()):
            return (PERCENT,)
        currencies = [unit for unit in counts if unit not in ("", PERCENT)]
        return ("", *sorted(currencies, key=lambda unit: -counts[unit])[:1])


def _size(values: F64 | I64) -> float:
    return float(np.median(np.abs(values)))


class NotedSource:
    """The rows of a file, its columns read as their notation says.

    A column of which every value can be read is one of numbers or times; of one of numbers, what cannot stays a text.
    """

    def __init__(self, source: Source, notations: Notations) -> None:
        self.path, self.rows, self.by_looks = source.path, source.rows, source.by_looks
        self.notations: Mapping[str, Notation] = notations
        self._source = source
        names = set(source.schema.names)
        self._read = {
            name: notation
            for name, notation in notations.items()
            if name in names and not (notation.plain and notation.unread)
        }
        fields = [
            pa.field(one.name, _type_of(self._read[one.name])) if one.name in self._read else one
            for one in source.schema
        ]
        self.schema = pa.schema(fields)

    def batches(self, names: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Yield the named columns of all rows."""
        for batch in self._source.batches(names):
            arrays = [self._noted(name, batch.column(name)) for name in batch.schema.names]
            if not arrays:
                yield batch
                continue
            yield pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)

    def column(self, name: str) -> pa.ChunkedArray:
        """Return one whole column."""
        column = self._source.column(name)
        if name not in self._read:
            return column
        return pa.chunked_array([self._noted(name, chunk) for chunk in column.chunks], self.schema.field(name).type)

    def _noted(self, name: str, array: pa.Array) -> pa.Array:
        notation = self._read.get(name)
        if notation is None or not is_text(array.type):
            return array
        return read_array(array, notation)


def _type_of(notation: Notation) -> pa.DataType:
    if notation.is_date:
        return pa.timestamp("ns")
    return pa.string() if notation.unread else pa.float64()


def read_array(array: pa.Array, notation: Notation) -> pa.Array:
    """Read texts as their notation says: dates as times, numbers as doubles, or as plain texts beside what is none.

    >>> read_array(pa.array(["1.234,5", None]), Notation("decimal_comma")).to_pylist()
    [1234.5, None]
    """
    codes, texts = _distinct(array)
    parsed = _read_dates(texts)[notation.style] if notation.is_date else _read_numbers(texts, notation.style)
    wanted = [at for at, unit in enumerate(parsed.units) if notation.accepts(unit)]
    fits = parsed.fits & np.isin(parsed.unit, wanted)
    if notation.is_date:
        values = np.where(fits, parsed.values, 0).astype(np.int64)
        return _array(pa.timestamp("ns"), np.append(values, 0)[codes], np.append(fits, False)[codes])
    if notation.unread:
        quoted = pc.binary_join_element_wise("'", texts, "'", "")  # 1.5 is none where 1,5 is a number
        own = pc.if_else(pc.match_substring_regex(texts, _PLAIN), quoted, texts)
        read = pc.if_else(mask_of(fits), parsed.written, own)
        return read.take(_places(codes))
    return _array(pa.float64(), np.append(parsed.values, 0.0)[codes], np.append(fits, False)[codes])


@dataclass(frozen=True, slots=True)
class _Parsed:
    """n texts in one style.

    Attributes:
        fits: bool (n,).
        values: float64, or unix nanoseconds of dates, 0 where not.
        unit: int64 (n,), which of ``units`` each has.
        written: Numbers as programs write them, null where not.
    """

    fits: NDArray[np.bool_]
    values: F64 | I64
    unit: I64
    units: tuple[str, ...] = ("",)
    written: Any = None


def _read_numbers(texts: pa.Array, style: Style) -> _Parsed:
    simple, dressed = _NUMBER[style]
    fits = truth_of(pc.match_substring_regex(texts, simple))
    written, unit, units = _undressed(texts, style), np.zeros(len(texts), np.int64), ("",)
    if not fits.all() and (more := truth_of(pc.match_substring_regex(texts, dressed)) & ~fits).any():
        which = np.flatnonzero(more)
        some = texts.take(positions(which))
        found = pc.replace_substring_regex(some, rf"[0-9.,'\x{{2019}}()+\x{{2212}}-]|{_SPACE}", "").dictionary_encode()
        units = ("", *found.dictionary.to_pylist())
        unit[which] = values_of(found.indices, 0) + 1
        bare = _undressed(
            pc.replace_substring_regex(pc.replace_substring_regex(some, r"[A-Za-z]\.", ""), _DRESS, ""), style
        )
        minus = pc.if_else(pc.match_substring_regex(some, r"[(\x{2212}-]"), "-", "")
        percent = pc.if_else(pc.match_substring(some, PERCENT), "e-2", "")
        read = pc.binary_join_element_wise(minus, bare, percent, "")
        written = pc.replace_with_mask(written, mask_of(more), read)
        fits = fits | more
    written = pc.if_else(mask_of(fits), written, pa.nulls(len(texts), pa.string()))
    return _Parsed(fits, values_of(written.cast(pa.float64()), 0.0), unit, units, written)


def _undressed(texts: pa.Array, style: Style) -> pa.Array:
    """Numbers without marks between their thousands, and with a decimal point."""
    if style == "decimal_point":
        return pc.ascii_trim_whitespace(pc.replace_substring(texts, ",", ""))
    return pc.ascii_trim_whitespace(pc.replace_substring(pc.replace_substring(texts, ".", ""), ",", "."))


def _read_dates(texts: pa.Array) -> dict[Style, _Parsed]:
    """Read dates in either style."""
    n = len(texts)
    fits: dict[Style, NDArray[np.bool_]] = {style: np.zeros(n, np.bool_) for style in DATES}
    values: dict[Style, I64] = {style: np.zeros(n, np.int64) for style in DATES}
    left = np.flatnonzero(truth_of(pc.match_substring_regex(texts, _DATED)))
    for form in _DATE_FORMS:
        if not len(left):
            break
        found = pc.extract_regex(texts.take(positions(left)), form)
        there = valid_of(found)
        which = left[there]
        found = found.filter(mask_of(there))
        part = {name: pc.struct_field(found, name) for name in _fields(found)}
        for style in DATES if len(which) else ():
            if "one" in part:
                first, second = ("day", "month") if style == "day_first" else ("month", "day")
                part[first], part[second] = part["one"], part["two"]
            fits[style][which], values[style][which] = _instants(part)
        left = left[~there]
    return {style: _Parsed(fits[style], values[style], np.zeros(n, np.int64)) for style in DATES}


def _instants(part: Mapping[str, pa.Array]) -> tuple[NDArray[np.bool_], I64]:
    """Return which dates there are (31 February is none), and their unix nanoseconds; without a zone, in UTC."""

    def whole(name: str) -> I64:
        given = part[name]
        return np.asarray(values_of(pc.if_else(pc.equal(given, ""), "0", given).cast(pa.int64()), 0), np.int64)

    year, day, hour, minute, second = map(whole, ("year", "day", "hour", "minute", "second"))
    short = values_of(pc.utf8_length(part["year"]), 0) == 2
    year = np.where(short, year + np.where(year < 69, 2000, 1900), year)
    if "name" in part:
        months = pa.array(_MONTHS)
        month = values_of(pc.index_in(pc.utf8_lower(part["name"]), value_set=months), 0).astype(np.int64) + 1
    else:
        month = whole("month")
    half = pc.utf8_lower(pc.utf8_slice_codeunits(part["half"], 0, 1))
    twelve = truth_of(pc.not_equal(half, ""))
    clock = np.where(twelve, (hour >= 1) & (hour <= 12), hour <= 23) & (minute <= 59) & (second <= 59)
    hour = np.where(twelve, hour % 12 + np.where(truth_of(pc.equal(half, "p")), 12, 0), hour)
    there = clock & (month >= 1) & (month <= 12) & (day >= 1) & (year >= 1700) & (year <= 2200)
    first = (np.where(there, year, 1970) - 1970) * 12 + np.where(there, month, 1) - 1
    days = first.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + day - 1
    next_month = (first + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    there &= days < next_month
    fraction = pc.utf8_rpad(part["fraction"], 9, "0").cast(pa.int64())
    east = pc.replace_substring_regex(part["zone"], "^(?:Z|UTC|GMT)?$", "0")
    east = pc.replace_substring_regex(east, "[:+]", "").cast(pa.int64())
    offset = values_of(east, 0).astype(np.int64)
    ahead = np.sign(offset) * (np.abs(offset) // 100 * 60 + np.abs(offset) % 100)
    seconds = days * 86_400 + hour * 3_600 + (minute - ahead) * 60 + second
    return there, np.where(there, seconds * 10**9 + values_of(fraction, 0).astype(np.int64), 0)


def _fields(found: pa.StructArray) -> list[str]:
    return [found.type.field(at).name for at in range(found.type.num_fields)]


def _distinct(array: pa.Array) -> tuple[I64, pa.Array]:
    """Return which distinct text each value is, int64 (n,), -1 for null, and the texts."""
    coded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    texts = coded.dictionary.cast(pa.string())
    codes: I64 = values_of(coded.indices, -1).astype(np.int64)
    if texts.null_count:
        codes = np.where(np.append(valid_of(texts), False)[codes], codes, -1)
    return codes, texts


def _array(kind: pa.DataType, values: NDArray[Any], there: NDArray[np.bool_]) -> pa.Array:
    packed = np.packbits(there, bitorder="little").tobytes()
    return pa.Array.from_buffers(kind, len(values), [pa.py_buffer(packed), pa.py_buffer(values.tobytes())])


def _places(codes: I64) -> pa.Array:
    return _array(pa.int64(), codes, codes >= 0)
