"""What a model looked like when it was known to be right: bins, and one pane of reference rows over them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

from .baseline_json import Columns, Fields, dump, dump_bins, parse
from .building import Said, build, choose_bins, fold_lists, fold_tables, marks_of
from .descriptors import raw_names
from .extras import Extras
from .fold import ModelBins
from .frames import ArrayLike, FrameLike
from .importance import Importance
from .pane import Pane, merge
from .permutation import Predict, permutation_importance
from .privacy import Privacy, in_force
from .profile import FrameColumns, read_frame, refuse_unknown_classes, rows_from_frame
from .ranges import Ranges
from .reference import MOST_SAMPLED, ReferenceRows
from .seasonality import Kind, Seasonality
from .tables import Column, ModelKey, PredictionTable, Task
from .vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class Baseline:
    """The reference a model is compared with: kilobytes, never raw rows.

    Build it from rows the model was **not** trained on: a model looks better, and its scores more extreme, on rows it
    has seen, and every later window would then look like drift.

    ``bins``: what panes are folded over. ``pane``: the reference rows over them, with the outcomes where ``actual`` was
    given, so reference performance is read from it like any other. ``columns``: where score, predicted, actual, time,
    id (a name, or names) and features stood in the data, the defaults of ``driftline evaluate``. ``provisional``:
    learned from the first rows of production, not chosen by anybody. ``texts``: features that are documents, with the
    vocabulary of the reference; the bins are those of their descriptors (:mod:`driftline.descriptors`).
    ``extras``: what else is known, each piece optional (:mod:`driftline.extras`).

    >>> import numpy as np
    >>> X = {"age": np.arange(100.0), "region": np.repeat(["north", "south"], 50)}
    >>> baseline = Baseline.from_frame(X, score=np.linspace(0, 1, 100), model="churn", task="binary")
    >>> baseline.pane.rows, list(baseline.bins.features)
    (100, ['age', 'region'])
    """

    model: str
    version: str
    task: Task
    bins: ModelBins
    pane: Pane
    columns: Columns = field(default_factory=dict)
    provisional: bool = False
    texts: Mapping[str, Vocabulary] = field(default_factory=dict)
    extras: Extras = field(default_factory=Extras)

    @classmethod
    def from_frame(
        cls,
        X: FrameLike,
        *,
        score: ArrayLike | None = None,
        predicted: ArrayLike | None = None,
        actual: ArrayLike | None = None,
        time: ArrayLike | None = None,
        id: ArrayLike | None = None,
        model: str,
        task: str,
        version: str = "",
        classes: Sequence[object] | None = None,
        positive_class: object = None,
        threshold: float = 0.5,
        quantiles: Sequence[float] = (),
        features: Sequence[str] | None = None,
        text_features: Sequence[str] | None = None,
        importance: Mapping[str, float] | ArrayLike | None = None,
        predict: Predict | None = None,
        privacy: Privacy | None = None,
        slices: Mapping[str, ArrayLike] | Sequence[str] = (),
        seasonality: Kind | None = None,
        timezone: str = "UTC",
    ) -> Baseline:
        """Build a baseline from n held-out rows.

        ``X``: a dict of columns, or whatever a service may be given as a batch (:mod:`driftline.inputs`). ``score``,
        ``predicted``, ``actual``, ``time``, ``id``: each a column name of X or n values; ``score`` may be (n,), for
        binary also (n, 2), for multiclass (n, k) or k column names, in the order of ``classes``. Of time and id only
        the column names are kept. ``task``: "binary", "multiclass", "regression" or "ranking", whose ``score`` is that
        of each first item, or n lists of scores, best first; ``predicted`` are then n lists of items, best first, and
        ``actual`` the relevant ones of each: a list, a mapping from item to gain, or a number for the whole list.
        ``classes``: else the values seen in actual and predicted.
        ``positive_class``: else the last of (0, 1), (False, True), ("0", "1"). ``threshold``: the score from which on
        the positive class is predicted. ``quantiles``: the levels that a regression predicts, in the order of its score
        columns. ``features``: else all columns that are nothing else and no points in time; for a 2-D array, the names
        of its columns. ``text_features``: those that are documents: their descriptors are compared, and short hashes of
        their common words are kept; else those that look like it (:func:`driftline.descriptors.looks_like_texts`), ()
        for none. ``importance``: how much each feature counts, as name → number or one number per feature in their
        order; it weighs what drifts. ``predict``: what gives the scores of a frame of the features,
        ``model.predict_proba``; importance is then found by shuffling
        (:func:`driftline.permutation.permutation_importance`), where none is given.
        ``privacy``: rules that hold for the file too: what is denied, hashed or rounded is so in it, and is not hashed
        again when it is sent. Those of the environment (``DRIFTLINE_PRIVACY_*``) hold without it.
        ``slices``: cuts of low cardinality by which drift is looked at too, names of columns (which stay features) or
        key → n values; of each the 20 values with most rows are told apart (:mod:`driftline.slices`).
        ``seasonality``: "hour", "weekday" or "hour_of_week" keeps what the rows looked like in each of them, so that a
        window can be compared with the same hours; by the clock of ``timezone``, an IANA name. It needs ``time``.

        Raises ``ValueError``, with the fix, when columns are missing or of different lengths, when there are no rows,
        and when classes or positive class cannot be known.

        >>> X = {"x": [1.0, 2.0], "p": [0.2, 0.9], "y": ["no", "yes"]}
        >>> Baseline.from_frame(X, score="p", actual="y", model="m", task="binary")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: classes are ('no', 'yes') and none is known to be the positive one; pass positive_class=...
        """
        key = ModelKey(model, version)
        said = Said(key, task, classes, positive_class, threshold, text_features, quantiles=quantiles)
        columns = FrameColumns(score, predicted, actual, time, id, features, slices)
        table, rows, named, texts = read_frame(X, said, columns)
        seasons = _seasonality(seasonality, timezone, time is not None)
        if importance is None and predict is not None:
            importance = permutation_importance(X, predict, cast(list[str], named["features"]), table.task, rows.actual)
        baseline = cls.from_tables(
            [table],
            [rows.actual],
            columns=named,
            texts=texts,
            importance=_importance(importance, named),
            named=features is not None,
            seasonality=seasons,
        )
        if rows.relevance is not None:
            baseline = replace(baseline, pane=merge([baseline.pane, fold_lists(table.task, rows.relevance)]))
        return _finished(baseline, privacy)

    @classmethod
    def from_batches(
        cls,
        batches: Sequence[FrameLike] | Callable[[], Iterable[FrameLike]],
        *,
        score: str | Sequence[str] | None = None,
        predicted: str | None = None,
        actual: str | None = None,
        time: str | None = None,
        id: str | None = None,
        model: str,
        task: str,
        version: str = "",
        classes: Sequence[object] | None = None,
        positive_class: object = None,
        threshold: float = 0.5,
        quantiles: Sequence[float] = (),
        features: Sequence[str] | None = None,
        text_features: Sequence[str] | None = None,
        importance: Mapping[str, float] | ArrayLike | None = None,
        privacy: Privacy | None = None,
        sample: int = MOST_SAMPLED,
        slices: Sequence[str] = (),
        seasonality: Kind | None = None,
        timezone: str = "UTC",
    ) -> Baseline:
        """Build a baseline from more held-out rows than memory holds, in two passes over batches of them.

        ``batches``: a list of frames, or a function that begins anew, from the first batch on, whenever it is called:
        ``lambda: pandas.read_csv(path, chunksize=100_000)``, ``dataset.to_batches`` of pyarrow. ``sample``: the first
        pass draws so many rows, fewer where they hold more than 256 MB, and bins, vocabularies and blocks of time are
        chosen from them; while that is all rows, the baseline is that of :meth:`from_frame`. The second pass counts
        all rows. The other arguments are those of :meth:`from_frame`, with names of columns only; features that the
        first batch lacks are not found.

        Raises ``ValueError`` as :meth:`from_frame` does, and where the batches can be read only once.

        >>> parts = [{"x": [1.0, 2.0], "p": [0.2, 0.9]}, {"x": [3.0], "p": [0.4]}]
        >>> Baseline.from_batches(parts, score="p", model="m", task="binary").pane.rows
        3
        """
        if not callable(batches) and isinstance(batches, Iterator):
            raise ValueError(
                "batches can be read only once, and two passes are needed; pass a function that opens them"
            )
        open_batches = batches if callable(batches) else batches.__iter__
        key, said_so = ModelKey(model, version), features is not None
        said = Said(key, task, classes, positive_class, threshold, text_features, said_so, sample, quantiles=quantiles)
        seasons = _seasonality(seasonality, timezone, time is not None)
        said = replace(said, strange=refuse_unknown_classes, seasonality=seasons)
        named: Columns = {}

        def rows() -> Iterator[ReferenceRows]:
            chosen = features
            for batch in open_batches():
                read, own = rows_from_frame(
                    batch, said, FrameColumns(score, predicted, actual, time, id, chosen, slices)
                )
                if not named:
                    named.update(own)
                chosen = cast(list[str], own["features"])
                yield read

        built = build(rows, said)
        extras = replace(built.extras, importance=_importance(importance, named))
        baseline = cls(model, version, built.task, built.bins, built.pane, named, texts=built.texts, extras=extras)
        return _finished(baseline, privacy)

    @classmethod
    def from_tables(
        cls,
        tables: Sequence[PredictionTable],
        actual: Sequence[Column | None] | None = None,
        *,
        columns: Columns | None = None,
        provisional: bool = False,
        texts: Mapping[str, Vocabulary] | None = None,
        importance: Importance | None = None,
        named: bool = False,
        seasonality: Seasonality | None = None,
    ) -> Baseline:
        """Build a baseline from tables of one model and task.

        ``actual``: one column per table, parallel to its rows, or None where no outcome is known. ``provisional``: from
        rows of production, which may have to be forgotten: nothing in it is a value of a few rows. ``texts``: of the
        descriptors among the features. ``importance``: of the features. ``named``: somebody named the features one by
        one, so none of them is taken for an identifier. ``seasonality``: by which seasons they are told apart. Raises
        ``ValueError`` when there is no row at all. More rows than memory: :meth:`from_batches`.
        """
        if not any(len(table) for table in tables):
            raise ValueError("there are no rows; a baseline needs reference rows")
        first = tables[0]
        marks = None if named else marks_of(tables, texts or {})
        bins = choose_bins(tables, first.task, marks, anonymous=provisional)
        pane, found = fold_tables(tables, actual or [None] * len(tables), bins, seasonality)
        if provisional:
            period = None if found.period is None else found.period.widened()
            found = replace(found, ranges=Ranges.counted(pane, bins), period=period)
        known = replace(found, importance=importance, marks=marks)
        key = first.key
        return cls(key.model, key.version, first.task, bins, pane, columns or {}, provisional, texts or {}, known)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Baseline:
        """Read a baseline file. Raises ``ValueError`` or ``OSError`` that name the file, the key and the fix."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise FileNotFoundError(
                f"{path}: there is no such file; build it with Baseline.from_frame(...).save({str(path)!r}) "
                "or 'driftline baseline build'"
            ) from None
        except UnicodeDecodeError:
            raise ValueError(f"{path}: this is no baseline: it is not text; build it anew") from None
        return cls.from_json(text, where=str(path))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the baseline to a file, as a whole or not at all.

        A new file has the mode that the umask leaves, a file that was there keeps its own: as ``open()`` would do.
        """
        target = Path(path)
        draft = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
        try:
            with draft.open("x", encoding="utf-8") as file:
                file.write(self.to_json() + "\n")
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileNotFoundError):
                shutil.copymode(target, draft)
            os.replace(draft, target)
        except BaseException:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise

    def to_json(self) -> str:
        """Return the canonical JSON: keys sorted, no spaces, so equal baselines are equal texts."""
        return self._json

    @classmethod
    def from_json(cls, text: str, where: str = "baseline") -> Baseline:
        """Read a baseline from its JSON. ``where`` is named in errors. Raises ``ValueError`` with key and fix."""
        return cls(*parse(text, where))

    @property
    def raw_features(self) -> tuple[str, ...]:
        """The features as an input holds them: the texts themselves, and not their descriptors."""
        return raw_names(tuple(self.bins.features), tuple(self.texts))

    def raw_name(self, feature: str) -> str:
        """Return the name of the text that a descriptor stands for; any other feature's own."""
        (name,) = raw_names((feature,), tuple(self.texts))
        return name

    @cached_property
    def digest(self) -> str:
        """What the baseline is known by: 32 hex characters, blake2b of 16 bytes of the canonical JSON."""
        return _digest(self._json)

    @cached_property
    def fold(self) -> str:
        """What its panes are known by: 32 hex characters, the same for baselines with the same bins and vocabularies.

        Panes over the same ones add up, so a baseline of later rows over the bins of this one begins nothing anew.
        """
        return _digest(dump_bins(self._fields()))

    @cached_property
    def _json(self) -> str:
        return dump(self._fields())

    def _fields(self) -> Fields:
        known = (self.model, self.version, self.task, self.bins, self.pane, self.columns, self.provisional)
        return Fields(*known, self.texts, self.extras)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _finished(baseline: Baseline, privacy: Privacy | None) -> Baseline:
    """Log which columns of a new baseline are no features, and leave in it what the rules let leave."""
    from .protected import protected

    if baseline.extras.marks is not None:
        baseline.extras.marks.tell()
    return protected(baseline, in_force(privacy))


def _seasonality(kind: Kind | None, timezone: str, timed: bool) -> Seasonality | None:
    if kind is None:
        return None
    if not timed:
        raise ValueError(f"seasonality={kind!r} needs to know when the rows were predicted; pass time=...")
    try:
        ZoneInfo(timezone)
    except (OSError, ValueError, KeyError):
        raise ValueError(f"timezone={timezone!r} is not a time zone; pass an IANA name, as 'Europe/Paris'") from None
    return Seasonality(kind, timezone)


def _importance(given: Mapping[str, float] | ArrayLike | None, columns: Columns) -> Importance | None:
    return None if given is None else Importance.given(given, cast(list[str], columns["features"]))
