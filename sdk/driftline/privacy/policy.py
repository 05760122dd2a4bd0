"""The privacy rules of a model: which values are exported, decided once per feature, for every signal."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

from driftline.faults import FAULTS, logger
from driftline.inputs.batch import Batch, FeatureTest
from driftline.inputs.row import SCALARS, Large, Sparse, Unusable, feature_value, row_of, unusable_row
from driftline.inputs.values import Columns
from driftline.settings import names, read, switch
from driftline.tables.text import short_repr

from .rules import DENY, LONG, Hash, Key, Round, Rule

Guard = Callable[[tuple[Any, ...]], tuple[Any, ...]]
"""Function that applies the rules to the clean values of a row."""

Capture = Literal["none", "scores", "features"]


CAPTURES: tuple[Capture, ...] = get_args(Capture)
"""Values that are exported per row: features and scores, scores only, or nothing."""

SHORTEST_KEY = 16
"""Minimum bytes of a key: with the hashes of a few known values, all keys that are much shorter can be tried."""
_MOST_NAMES = 10_000
_FIX = (
    "pass key=... or set DRIFTLINE_PRIVACY_KEY; to make one: python -c 'import secrets; print(secrets.token_hex(32))'"
)


@dataclass(frozen=True, init=False, repr=False)
class Privacy:
    """Privacy rules: which values of each feature or slice are exported, and in which form.

    A name may be a pattern such as ``"*email*"``. Names are case-sensitive. BLAKE2b is the hash function of RFC 7693.

    Args:
        allow: Names that may be exported. None allows all names.
        deny: Names that are not exported in any form. ``deny`` wins over all other rules.
        hash: Names whose values are exported as a short keyed BLAKE2b hash. Equal values have equal hashes, so drift
            and slices still work.
        round: Mapping from name to step, such as ``{"income": 1000}``. The nearest multiple of the step is exported.
            For a time, the step is a number of seconds or a timedelta. A text cannot be rounded, and counts as missing.
        key: Secret key of the hashes, at least 16 bytes. Default: ``DRIFTLINE_PRIVACY_KEY``. No output and no pickle
            contains the key.
        hash_id: Whether to hash the ids of predictions, and the items of rankings. Outcomes of a model with the same
            key get the same hashes, so they join their predictions.

    Raises:
        ValueError: A step is not a positive number, a name is both hashed and rounded, or a hash has no key.
        TypeError: A name is not a text, or an argument has the wrong type.

    >>> privacy = Privacy(deny=("ssn",), hash=("*email*",), round={"income": 1000}, key="a key of 16 bytes or more")
    >>> privacy.guard(("ssn", "income", "age"))(("078-05-1120", 73_412.37, 31))
    (None, 73000.0, 31)
    >>> privacy
    driftline.Privacy(deny=('ssn',), hash=('*email*',), round={'income': 1000.0}, key=***)
    """

    allow: tuple[str, ...] | None
    deny: tuple[str, ...]
    hash: tuple[str, ...]
    round: tuple[tuple[str, float], ...]
    key: Key | None
    hash_id: bool
    _rules: dict[str, Rule | None] = field(compare=False)

    def __init__(
        self,
        *,
        allow: Iterable[str] | None = None,
        deny: Iterable[str] = (),
        hash: Iterable[str] = (),
        round: Mapping[str, float | timedelta] | None = None,
        key: str | bytes | Key | None = None,
        hash_id: bool = False,
    ) -> None:
        steps = {_name("round", name): _step(name, step) for name, step in _mapping(round).items()}
        hashed = _names("hash", hash)
        if not isinstance(hash_id, bool):
            raise TypeError(f"Privacy(hash_id=) must be True or False, not {_kind(hash_id)}")
        hashed_and_rounded = [name for name in hashed if name in steps]
        if hashed_and_rounded:
            raise ValueError(f"Privacy: {hashed_and_rounded[0]!r} is both hashed and rounded; use only one of the two")
        values: dict[str, object] = {
            "allow": None if allow is None else _names("allow", allow),
            "deny": _names("deny", deny),
            "hash": hashed,
            "round": tuple(steps.items()),
            "key": _key(key, needed=bool(hashed) or hash_id),
            "hash_id": hash_id,
            "_rules": {},
        }
        for attribute, value in values.items():
            object.__setattr__(self, attribute, value)

    def __repr__(self) -> str:
        arguments: dict[str, object] = {
            "deny": self.deny,
            "hash": self.hash,
            "round": dict(self.round),
            "key": self.key,
        }
        parts = [] if self.allow is None else [f"allow={short_repr(self.allow)}"]
        parts += [f"{name}={short_repr(value)}" for name, value in arguments.items() if value]
        parts += ["hash_id=True"] if self.hash_id else []
        return f"driftline.Privacy({', '.join(parts)})"

    def __copy__(self) -> Privacy:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Privacy:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the rules without the key: pickled models are stored in registries and on laptops."""
        return _restore, (self.allow, self.deny, self.hash, dict(self.round), self.hash_id)

    @property
    def rules(self) -> bool:
        """True if there is any rule."""
        return bool(self.allow is not None or self.deny or self.hash or self.round or self.hash_id)

    def rule(self, name: str) -> Rule | None:
        """Return the rule of a feature or slice; None for a name without a rule.

        Args:
            name: Name of the feature or slice.
        """
        try:
            return self._rules[name]
        except KeyError:
            if len(self._rules) >= _MOST_NAMES:  # names that change with every call would fill the cache
                self._rules.clear()
            rule_of_name = self._rules[name] = self._find(name)
            return rule_of_name

    def allows(self, name: str) -> bool:
        """Return True if a value of a feature may be recorded in any form.

        Args:
            name: Name of the feature or slice.

        >>> Privacy(deny=("ssn",)).allows("ssn"), Privacy(allow=("age", "income_*")).allows("income_2026")
        (False, True)
        """
        return self.rule(name) is not DENY

    def part(self, text: str, name: str) -> Rule | None:
        """Return the rule of a descriptor of a text feature.

        A descriptor is denied if its text is denied, and allowed if its text is allowed; other rules use its own name.

        Args:
            text: Name of the text feature.
            name: Name of the descriptor.

        >>> privacy = Privacy(allow=("message",), deny=("*.script",))
        >>> privacy.part("message", "message.words"), privacy.part("message", "message.script") is DENY
        (None, True)
        """
        if self.allow is not None and not _match(text, self.allow) and not _match(name, self.allow):
            return DENY
        if _match(text, self.deny) or _match(name, self.deny):
            return DENY
        return self._changes(name)

    def withholds(self, name: str) -> bool:
        """Return True if a rule other than ``allow`` names a field: then it cannot be a prediction's id or time.

        Args:
            name: Name of the field.

        >>> Privacy(allow=("age",)).withholds("order"), Privacy(deny=("order",)).withholds("order")
        (False, True)
        """
        return _match(name, (*self.deny, *self.hash, *(pattern for pattern, _ in self.round)))

    def guard(self, names: tuple[str, ...], time: str | None = None, texts: Collection[str] = ()) -> Guard | None:
        """Return the function that applies the rules to a row; None if no rule applies.

        Args:
            names: Names of the row's fields.
            time: Name of the field that is the prediction's time and not a feature.
            texts: Features that are exported as descriptors, under their own rules. Only ``deny`` applies to the text
                itself.
        """
        fields = [(index, str(name)) for index, name in enumerate(names) if name != time]
        rules = [(index, rule) for index, name in fields if (rule := self._before(name, texts)) is not None]
        if not rules:
            return None

        def guard(values: tuple[Any, ...]) -> tuple[Any, ...]:
            guarded = list(values)
            for index, rule in rules:
                guarded[index] = rule.value(guarded[index])
            if isinstance(values, Unusable):
                return unusable_row(guarded, values.kinds)
            return row_of(guarded) if values.__class__ is Large else Sparse(guarded)

        return guard

    def columns(self, columns: Columns, texts: Collection[str] = ()) -> Columns:
        """Apply the rules to the columns of a batch. A column that cannot be protected is left out.

        Args:
            columns: Columns by name.
            texts: As for :meth:`guard`.
        """
        if not self.rules:
            return columns
        guarded: Columns = {}
        for name, values in columns.items():
            try:
                rule = self._before(name, texts)
                protected = values if rule is None else rule.column(values)
            except Exception as error:
                FAULTS.swallow("privacy", error)
            else:
                if protected is not None:
                    guarded[name] = protected
        return guarded

    def slices(self, slices: Mapping[str, Any]) -> dict[str, Any]:
        """Apply the rules to slices.

        Args:
            slices: Value of one row, or list of n values, by name.
        """
        guarded = {}
        for name, value in slices.items():
            rule = self.rule(str(name))
            if rule is None:
                guarded[name] = value
            elif rule is not DENY and _several(value):
                guarded[name] = [rule.value(feature_value(element)) for element in value]
            elif rule is not DENY:
                guarded[name] = rule.value(feature_value(value))
        return guarded

    def id(self, text: str) -> str:
        """Apply the rules to an id: return its hash if ids are hashed.

        Args:
            text: Id of a prediction, or item of a ranking.
        """
        return self.key.digest(text, LONG) if self.hash_id and self.key is not None else text

    def _before(self, name: str, texts: Collection[str]) -> Rule | None:
        """Return the rule of a field of the input."""
        if name in texts:
            return DENY if _match(name, self.deny) else None
        return self.rule(name)

    def _find(self, name: str) -> Rule | None:
        if _match(name, self.deny) or (self.allow is not None and not _match(name, self.allow)):
            return DENY
        return self._changes(name)

    def _changes(self, name: str) -> Rule | None:
        if self.key is not None and _match(name, self.hash):
            return Hash(self.key)
        return next((Round(step) for pattern, step in self.round if _match(name, (pattern,))), None)


class ProtectedBatch(Batch):
    """A batch under the rules of the model that received it, for the prediction of another model."""

    def __init__(self, batch: Batch, privacy: Privacy) -> None:
        self.count, self.cost = batch.count, batch.cost
        self._batch, self._privacy = batch, privacy

    def names(self) -> tuple[str, ...] | None:
        """Return the names of the batch."""
        return self._batch.names()

    def width(self) -> int:
        """Return the width of the batch."""
        return self._batch.width()

    def values(self, at: int) -> Any:
        """Return a column after the rules."""
        name = (self.names() or ())[at]
        columns = self.columns(self.names() or (), name.__eq__)
        return columns.get(name, [None] * self.count)

    def columns(self, names: tuple[str, ...], is_feature: FeatureTest) -> Columns:
        """Return the columns after the rules."""
        return self._privacy.columns(self._batch.columns(names, is_feature))


def rules_in_force(privacy: Privacy | None) -> Privacy:
    """Combine the rules of the code with those of the environment.

    A feature that the environment denies is always denied: code cannot undo the rule of a platform team.

    Args:
        privacy: Rules of the code; None without rules.

    Raises:
        ValueError: A variable of the environment is not valid; the message names it.
        TypeError: ``privacy`` is not a :class:`Privacy`.
    """
    privacy = Privacy() if privacy is None else privacy
    if not isinstance(privacy, Privacy):
        raise TypeError(f"Model(privacy=) must be driftline.Privacy(deny=(...), ...), not {_kind(privacy)}")
    allowed = names("DRIFTLINE_PRIVACY_ALLOW")
    denied = tuple(name for name in names("DRIFTLINE_PRIVACY_DENY") if name not in privacy.deny)
    hashed, rounded = names("DRIFTLINE_PRIVACY_HASH"), names("DRIFTLINE_PRIVACY_ROUND")
    hash_id = switch("DRIFTLINE_PRIVACY_HASH_ID")
    if not (allowed or denied or hashed or rounded or hash_id):
        return privacy
    return Privacy(
        allow=allowed or None if privacy.allow is None else privacy.allow,
        deny=(*privacy.deny, *denied),
        hash=privacy.hash or tuple(name for name in hashed if name not in dict(privacy.round)),
        round=dict(privacy.round) or {k: v for k, v in _written_steps(rounded).items() if k not in privacy.hash},
        key=privacy.key,
        hash_id=privacy.hash_id or hash_id,
    )


def capture_of(given: str | None) -> Capture:
    """Return the capture level of a model: that of its code, else ``DRIFTLINE_CAPTURE``.

    Args:
        given: "features", "scores" or "none"; None for the level of the environment.

    Raises:
        ValueError: The level is another text.

    >>> capture_of(None), capture_of("scores")
    ('features', 'scores')
    """
    level = read("DRIFTLINE_CAPTURE") if given is None else given
    for capture in CAPTURES:
        if level == capture:
            return capture
    where = "the variable DRIFTLINE_CAPTURE" if given is None else "Model(capture=)"
    raise ValueError(f"{where}: {level!r} is not a level; use 'features', 'scores' or 'none'")


def _restore(
    allow: tuple[str, ...] | None,
    deny: tuple[str, ...],
    hash: tuple[str, ...],
    round: dict[str, float],
    hash_id: bool,
) -> Privacy:
    """Return the rules of a pickle, which contains no key. Without a key in this process, values to hash are denied."""
    key: bytes | None = None
    if (hash or hash_id) and not read("DRIFTLINE_PRIVACY_KEY"):
        if FAULTS.once("privacy without key"):
            logger.warning(
                "driftline: a pickled model hashes %s, but a pickle contains no key; set DRIFTLINE_PRIVACY_KEY in this "
                "process: until then, these values are not exported, and outcomes cannot be joined by hashed ids",
                ", ".join([*map(repr, hash), *(["ids"] if hash_id else [])]),
            )
        deny, hash = (*deny, *hash), ()
        key = os.urandom(32)
    return Privacy(allow=allow, deny=deny, hash=hash, round=round, key=key, hash_id=hash_id)


def _match(name: str, patterns: Iterable[str]) -> bool:
    return any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)


def _names(argument: str, names: Iterable[str]) -> tuple[str, ...]:
    if isinstance(names, str | bytes | Mapping) or not isinstance(names, Iterable):
        raise TypeError(
            f"Privacy({argument}=) must be a sequence of names such as {argument}=('email',), not {_kind(names)}"
        )
    return tuple(_name(argument, name) for name in names)


def _name(argument: str, name: object) -> str:
    if not isinstance(name, str) or not name.strip():
        raise TypeError(f"Privacy({argument}=) must contain names of features, which are strings, not {name!r}")
    return name


def _mapping(value: object) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(
            f"Privacy(round=) must be a step for each name, such as round={{'income': 1000}}, not {_kind(value)}"
        )
    return value


def _step(name: object, step: object) -> float:
    seconds = step.total_seconds() if isinstance(step, timedelta) else step
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
        raise ValueError(
            f"Privacy(round=): the step of {name!r} must be a positive number or a timedelta, not {step!r}"
        )
    return float(seconds)


def _written_steps(texts: Iterable[str]) -> dict[str, float]:
    steps = {}
    for text in texts:
        name, _, step = text.rpartition("=")
        try:
            steps[name.strip()] = _step(name, float(step))
        except ValueError:
            rule = "is not a name with a positive step; use a form such as income=1000"
            raise ValueError(f"DRIFTLINE_PRIVACY_ROUND: {text!r} {rule}") from None
    return steps


def _key(value: str | bytes | Key | None, *, needed: bool) -> Key | None:
    if isinstance(value, Key):
        return value
    secret = value if value is not None else read("DRIFTLINE_PRIVACY_KEY") if needed else ""
    if not isinstance(secret, str | bytes):
        raise TypeError(f"Privacy(key=) must be a string or bytes, not {_kind(value)}")
    secret = secret.encode() if isinstance(secret, str) else secret
    if not secret and value is None:
        if needed:
            raise ValueError(f"Privacy: hashing requires a key, because otherwise values can be guessed; {_FIX}")
        return None
    if len(secret) < SHORTEST_KEY:
        raise ValueError(
            f"Privacy: a key must have at least {SHORTEST_KEY} bytes, but this key has {len(secret)}; {_FIX}"
        )
    return Key(secret)


def _several(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, (*SCALARS, bytes, Mapping))


def _kind(value: object) -> str:
    return f"a {type(value).__name__}"
