"""The baseline of a model: bins, and one pane of reference rows over them; and its form under privacy rules."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from driftline.baseline.sections.feature_marks import HASHED, ROUNDED, AppliedRules
from driftline.baseline.sections.importance import Importance, Predict, permutation_importance
from driftline.baseline.sections.outcome_spread import OutcomeSpread
from driftline.baseline.sections.ranges import Ranges
from driftline.baseline.sections.seasons import check_timezone
from driftline.faults import logger
from driftline.inputs.dataframes import ArrayLike, FrameLike, category_columns
from driftline.inputs.text_descriptors import SUFFIXES, raw_names
from driftline.inputs.vocabulary import Vocabulary
from driftline.panes.bins import Bins, NumberBins
from driftline.panes.pane import Pane, merge
from driftline.panes.pca import PARTS
from driftline.panes.unbinned_values import PREFIXES
from driftline.privacy.policy import Privacy, rules_in_force
from driftline.privacy.rules import COMMON_VALUES, DENY, FeatureFilter, Hash, Rule
from driftline.tables.table import Column, ModelKey, PredictionTable
from driftline.tables.text import short_repr
from driftline.tables.timestamps import AnySeasonality, Kind, Seasonality, UnknownSeasonality

from .build import ReferenceDescription, build, choose_bins, fold_lists, fold_tables, marks_of
from .codes import code_features
from .document import Columns, Document, dump, dump_bins, parse
from .from_frame import FrameColumns, read_frame, refuse_unknown_classes, rows_from_frame
from .reference_rows import MOST_SAMPLED, NO_ROWS, ReferenceRows

if TYPE_CHECKING:
    from driftline.privacy.policy import Capture


@dataclass(frozen=True, eq=False)
class Baseline(Document):
    """The reference of a model: bins and sums of held-out rows.

    A baseline takes kilobytes, and contains none of the rows.

    Build a baseline from rows that the model was **not** trained on. A model is more accurate on its training rows, and
    its scores are more extreme. With a baseline of training rows, every later window would look like drift.

    Attributes:
        model: Name of the model.
        version: Version of the model, or "" if the model has no version.
        task: Task, classes, positive class and threshold.
        bins: Bins of features and scores. Later rows are counted in the same bins.
        pane: Sums of the reference rows over the bins. If the outcomes of these rows are known, the sums include the
            reference performance.
        columns: Names of the columns of score, predicted, actual, time, id and features. These names are the defaults
            of ``driftline evaluate``.
        provisional: True if the baseline was learned from the first rows of production.
        texts: Vocabulary of each text feature; see :mod:`driftline.inputs.text_descriptors`.
        extras: Optional sections; see :mod:`driftline.baseline.sections.catalogue`.

    >>> import numpy as np
    >>> X = {"age": np.arange(100.0), "region": np.repeat(["north", "south"], 50)}
    >>> baseline = Baseline.from_frame(X, score=np.linspace(0, 1, 100), model="churn", task="binary")
    >>> baseline.pane.rows, list(baseline.bins.features)
    (100, ['age', 'region'])
    """

    def __repr__(self) -> str:
        return (
            f"driftline.Baseline({self.model!r}, version={self.version!r}, task={self.task.kind!r}, "
            f"rows={self.pane.rows}, features={short_repr(list(self.bins.features))})"
        )

    @classmethod
    def from_frame(
        cls,
        X: FrameLike | Callable[[], Iterable[FrameLike]],
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
        category_features: Sequence[str] | None = None,
        importance: Mapping[str, float] | ArrayLike | None = None,
        predict: Predict | None = None,
        privacy: Privacy | None = None,
        sample: int = MOST_SAMPLED,
        slices: Mapping[str, ArrayLike] | Sequence[str] = (),
        seasonality: Kind | Literal["none"] | None = None,
        timezone: str = "UTC",
    ) -> Baseline:
        """Build a baseline from n held-out rows, in memory or in batches.

        Each of ``score``, ``predicted``, ``actual``, ``time`` and ``id`` is the name of a column of X, or a sequence of
        n values. For a ranking, ``score``, ``predicted`` and ``actual`` contain one list per row.

        Batches are read twice. The first pass draws a sample, from which bins, vocabularies and time blocks are chosen.
        The second pass counts all rows. If the sample contains all rows, the baseline is the same as for a single frame
        of these rows.

        Args:
            X: The rows: a frame, a mapping of columns, a 2-D array, or any other batch that a model can predict
                (:mod:`driftline.inputs`). For rows in batches, pass a function that returns all batches each time it is
                called, such as ``lambda: pandas.read_csv(path, chunksize=100_000)`` or ``dataset.to_batches`` of
                pyarrow. The first batch with rows must contain all columns; batches without rows are skipped.
            score: Score of each row, as floats of the shape (n,). For "binary", the shape can also be (n, 2). For
                "multiclass", pass the shape (n, k) or k names of columns, in the order of ``classes``. For "ranking",
                pass the score of the first item of each row, or n lists of scores, best first.
            predicted: Predicted class or value of each row. For "ranking", pass n lists of items, best first.
            actual: Actual class or value of each row. For "ranking", pass the relevant items of each row: a list, a
                mapping from item to gain, or one number for the whole list.
            time: Time of each prediction. The baseline stores the name of the column, and sums per time block.
            id: Id of each prediction. The baseline stores the name of the column only.
            model: Name of the model.
            task: "binary", "multiclass", "regression" or "ranking".
            version: Version of the model.
            classes: Classes in the order of the score columns. Default: the values in ``actual`` and ``predicted``.
            positive_class: Positive class. If the classes are 0 and 1 (also as texts, or as False and True), the
                default is class 1. For other classes, this argument is required.
            threshold: Threshold from 0 to 1. The positive class is predicted if the score is at least this threshold.
            quantiles: Levels of the quantiles that a regression predicts, in the order of its score columns.
            features: Names of the features. For a 2-D array, they are the names of its columns. Default: all columns
                that have no other role and contain no times.
            text_features: Features that contain free text. The baseline contains bins of their descriptors (numbers
                such as the length), and short hashes of their common words. Default: features that look like free text
                (:func:`driftline.inputs.text_descriptors.looks_like_texts`). Pass () for none.
            category_features: Numeric features whose values are categories, such as the code of an agent. Default:
                features that are codes according to their name, or because their values have no order
                (:mod:`driftline.baseline.codes`). Pass () for none.
            importance: Weight of each feature for the model: a mapping from name to number, or one number per feature
                in the order of the features. Drift is weighted by importance.
            predict: Function that returns the scores of a frame of features, such as ``model.predict_proba``. If
                ``importance`` is not given, this function is used to measure the importance by shuffling
                (:func:`driftline.baseline.sections.importance.permutation_importance`).
            privacy: Privacy rules, which also apply to the file of the baseline. A rule leaves values out, hashes them
                or rounds them. Rules in environment variables (``DRIFTLINE_PRIVACY_*``) always apply.
            sample: Number of rows of the sample that is drawn from batches. The sample has fewer rows if this number of
                rows exceeds 256 MB.
            slices: Attributes with few different values, for drift in slices (groups of rows): names of columns, or a
                mapping from key to n values. A named column stays a feature. For each attribute, the 20 values with the
                most rows are slices (:mod:`driftline.baseline.sections.slices`).
            seasonality: "hour", "weekday", "hour_of_week", or "none" for no seasons. The baseline keeps sums per
                season, and a window is compared with the same hours or weekdays. A value other than "none" requires
                ``time``. Default: the seasons in which the rows repeat
                (:func:`driftline.baseline.sections.cycles.find_cycles`).
            timezone: IANA name of the time zone for hours and weekdays.

        Returns:
            The baseline.

        Raises:
            ValueError: Columns are missing or have different lengths. Or there are no rows, or the batches can be read
                only once. Or the classes or the positive class are unknown. The message names the fix.

        >>> X = {"x": [1.0, 2.0], "p": [0.2, 0.9], "y": ["no", "yes"]}
        >>> Baseline.from_frame(X, score="p", actual="y", model="m", task="binary", positive_class="yes").pane.rows
        2
        >>> Baseline.from_frame(X, score="p", actual="y", model="m", task="binary")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: classes are ('no', 'yes'), and the positive class is unknown; pass positive_class=...
        >>> parts = [{"x": [1.0, 2.0], "p": [0.2, 0.9]}, {"x": [3.0], "p": [0.4]}]
        >>> Baseline.from_frame(lambda: parts, score="p", model="m", task="binary").pane.rows
        3
        """
        description = ReferenceDescription(
            *(ModelKey(model, version), task, classes, positive_class, threshold, text_features, category_features),
            features_named=features is not None,
            sample=sample,
            check_actual=refuse_unknown_classes,
            seasonality=_seasonality(seasonality, timezone, time is not None),
            quantiles=quantiles,
        )
        columns = FrameColumns(
            score=score, predicted=predicted, actual=actual, time=time, id=id, features=features, slices=slices
        )
        if callable(X):
            if predict is not None:
                raise ValueError(
                    "predict: permutation importance needs all rows in memory; pass the importance of each feature "
                    "with importance="
                )
            names: Columns = {}
            typed: set[str] = set()
            description = replace(description, typed_categories=typed)
            built = build(lambda: _rows_of_batches(X(), description, columns, names, typed), description)
            if not built.pane.rows:
                raise ValueError(
                    "the batches can be read only once, but they are read twice; "
                    "X must be a function that opens the batches again at each call"
                )
            baseline = cls(
                *(model, version, built.task, built.bins, built.pane, names), texts=built.texts, extras=built.extras
            )
        else:
            table, rows, names, texts = read_frame(X, description, columns)
            if importance is None and predict is not None:
                feature_names = cast(list[str], names["features"])
                importance = permutation_importance(X, predict, feature_names, table.task, rows.actual)
            baseline = cls.from_tables(
                [table],
                [rows.actual],
                columns=names,
                texts=texts,
                category_features=category_features,
                typed_categories=category_columns(X),
                features_named=features is not None,
                seasonality=description.seasonality,
            )
            if rows.relevance is not None:
                baseline = replace(baseline, pane=merge([baseline.pane, fold_lists(table.task, rows.relevance)]))
        if importance is not None:
            given = Importance.given(importance, cast(list[str], names["features"]))
            baseline = replace(baseline, extras=replace(baseline.extras, importance=given))
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
        category_features: Sequence[str] | None = None,
        typed_categories: Collection[str] = (),
        features_named: bool = False,
        seasonality: AnySeasonality | None = None,
    ) -> Baseline:
        """Build a baseline from tables of one model and task.

        Args:
            tables: Tables of reference rows. For rows that do not fit in memory, see :meth:`from_frame`.
            actual: Actual values of each table, parallel to its rows; None for a table without outcomes.
            columns: Names of the columns by role.
            provisional: True for rows of production, which may have to be deleted later: the baseline then contains no
                value of only a few rows.
            texts: Vocabulary of each text feature.
            category_features: Features of numbers that are categories; None = detected.
            typed_categories: Features whose column has the type of a category; they count as detected.
            features_named: True if the caller named the features: then none is treated as an identifier.
            seasonality: Seasons with sums of their own, or the request to detect them.

        Returns:
            The baseline.

        Raises:
            ValueError: The tables have no rows.
        """
        if not any(len(table) for table in tables):
            raise ValueError(NO_ROWS)
        first = tables[0]
        marks = None if features_named else marks_of(tables, texts or {})
        names = dict.fromkeys(name for table in tables for name in table.features)
        raw = [name for name in names if raw_names((name,), tuple(texts or ())) == (name,)]
        codes = code_features(tables, actual or [None] * len(tables), raw, category_features, typed_categories)
        bins = choose_bins(tables, first.task, marks, anonymous=provisional, codes=codes)
        pane, seasons = fold_tables(tables, actual or [None] * len(tables), bins, seasonality)
        if provisional:
            period = None if seasons.period is None else seasons.period.widened()
            seasons = replace(seasons, ranges=Ranges.counted(pane, bins), period=period)
        extras = replace(seasons, marks=marks, outcome_spread=OutcomeSpread.of(first.task, actual or ()))
        key = first.key
        return cls(
            model=key.model,
            version=key.version,
            task=first.task,
            bins=bins,
            pane=pane,
            columns=columns or {},
            provisional=provisional,
            texts=texts or {},
            extras=extras,
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Baseline:
        """Read a baseline from its file.

        Args:
            path: Path of the file.

        Returns:
            The baseline.

        Raises:
            ValueError: The file is not a baseline. The message names the file, the key and the fix.
            OSError: The file cannot be read.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise FileNotFoundError(
                f"{path}: no such file; build the baseline with Baseline.from_frame(...).save({str(path)!r}) "
                "or 'driftline baseline build'"
            ) from None
        except UnicodeDecodeError:
            raise ValueError(
                f"{path}: this is not a baseline: it is not UTF-8 text; build the baseline again"
            ) from None
        return cls.from_json(text, where=str(path))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the baseline to a file, completely or not at all.

        As with ``open()``, a new file gets the permissions of the umask, and an existing file keeps its permissions.

        Args:
            path: Path of the file.

        Raises:
            OSError: The file cannot be written.
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
        """Return the canonical JSON, which has sorted keys and no spaces. Equal baselines have equal JSON."""
        return self._json

    @classmethod
    def from_json(cls, text: str, where: str = "baseline") -> Baseline:
        """Read a baseline from its JSON.

        Args:
            text: JSON of a baseline.
            where: Name of the source, for error messages.

        Returns:
            The baseline.

        Raises:
            ValueError: The text is not a baseline. The message names the key and the fix.
        """
        return parse(cls, text, where)

    @property
    def raw_features(self) -> tuple[str, ...]:
        """Features as in the input: text features instead of their descriptors."""
        return raw_names(tuple(self.bins.features), tuple(self.texts))

    def raw_name(self, feature: str) -> str:
        """Return the text feature of a descriptor; for any other feature, its own name.

        Args:
            feature: Name of a feature or descriptor.
        """
        (name,) = raw_names((feature,), tuple(self.texts))
        return name

    @cached_property
    def digest(self) -> str:
        """Identifier of the baseline: 32 hex characters, the 16-byte BLAKE2b hash of the canonical JSON."""
        return _digest(self._json)

    @cached_property
    def fold(self) -> str:
        """Identifier of the bins: 32 hex characters, equal for baselines with equal bins and vocabularies.

        Panes over equal bins can be added. So a baseline of later rows over the same bins continues the panes of this
        one.
        """
        return _digest(dump_bins(self))

    @cached_property
    def _json(self) -> str:
        return dump(self)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _finished(baseline: Baseline, privacy: Privacy | None) -> Baseline:
    """Apply the privacy rules to a new baseline; log the columns that are not features, and values without a number."""
    if baseline.extras.marks is not None:
        baseline.extras.marks.tell()
    baseline = protect_baseline(baseline, rules_in_force(privacy))
    for name, over in baseline.bins.features.items():
        sums = baseline.pane.parts[f"feature:{name}"]
        if isinstance(over, NumberBins) and over.size > 1 and (strays := int(sums[-1])):
            logger.warning(
                "driftline: baseline: %s: %d of %d values are strings or infinite, treated as missing; pass numbers",
                name, strays, sums.sum() - sums[-2],
            )  # fmt: skip
    return baseline


def _seasonality(kind: Kind | Literal["none"] | None, timezone: str, timed: bool) -> AnySeasonality | None:
    if kind == "none" or (kind is None and not timed):
        return None
    if not timed:
        raise ValueError(f"seasonality={kind!r} requires the time of each prediction; pass time=...")
    check_timezone(timezone)
    return UnknownSeasonality(timezone) if kind is None else Seasonality(kind, timezone)


def _rows_of_batches(
    batches: Iterable[FrameLike],
    description: ReferenceDescription,
    columns: FrameColumns,
    names: Columns,
    typed: set[str],
) -> Iterator[ReferenceRows]:
    """Yield the rows of each batch, with the features of the first batch.

    ``names``: set to the names of its columns; ``typed``: to the columns that have the type of a category.
    """
    for batch in batches:
        if isinstance(batch, list) and not batch:  # without a row there are no names
            continue
        rows, own_names = rows_from_frame(batch, description, columns)
        if not rows.rows:  # a filter may leave no row of a batch, and its columns no type
            continue
        names.update(own_names if not names else {})
        typed |= category_columns(batch)
        columns = replace(columns, features=cast(list[str], own_names["features"]))
        yield rows


def protect_baseline(baseline: Baseline, privacy: Privacy, capture: Capture = "features") -> Baseline:
    """Apply privacy rules to a baseline, so that it can be compared with rows under the same rules.

    A denied feature is removed. Categories of a hashed feature are hashed; a hashed number is removed, because hashes
    have no order. Edges of a rounded feature lie between two multiples of the step. A rule that was applied when the
    baseline was built (:mod:`driftline.baseline.sections.feature_marks`) is not applied again. If any rule applies, the
    joint sums of all features are removed, because they were counted over the old bins. Slices by a key with a rule are
    removed.

    Args:
        baseline: Baseline to protect.
        privacy: Rules per feature.
        capture: At a level below "features", no number in the baseline is the value of a single reference row.

    Returns:
        The protected baseline; the same object if no rule applies.
    """
    if capture != "features":
        baseline = _without_single_values(baseline)
    text_of = {f"{text}{suffix}": text for text in baseline.texts for suffix in SUFFIXES}
    rules = {
        name: privacy.part(text_of[name], name) if name in text_of else privacy.rule(name)
        for name in baseline.bins.features
    }
    before = _rules_before(baseline)
    rules = {name: None if name in before and rule is not DENY else rule for name, rule in rules.items()}
    return _under(rules, _without_ruled_keys(baseline, privacy))


def _without_single_values(baseline: Baseline) -> Baseline:
    """Return a baseline without minimum and maximum values, and without number bins of few rows."""
    rules: dict[str, Rule | None] = {}
    for name, bins in baseline.bins.features.items():
        counts = baseline.pane.parts.get(f"feature:{name}", np.zeros(bins.size + 2))
        rules[name] = COMMON_VALUES if COMMON_VALUES.bins(bins, counts)[0] is not bins else None
    return _under(rules, replace(baseline, extras=replace(baseline.extras, ranges=None)))


def _under(rules: Mapping[str, Rule | None], baseline: Baseline) -> Baseline:
    """Apply one rule per feature to a baseline; None for features without a rule."""
    if all(rule is None for rule in rules.values()):
        return baseline
    text_of = {f"{text}{suffix}": text for text in baseline.texts for suffix in SUFFIXES}
    before = _rules_before(baseline)
    features: dict[str, Bins] = {}
    parts = {name: sums for name, sums in baseline.pane.parts.items() if name not in PARTS}
    for name, bins in baseline.bins.features.items():
        rule = rules[name]
        counts = parts.pop(f"feature:{name}", np.zeros(bins.size + 2))
        parts.pop(f"elsewhere:{name}", None)  # its indices are positions of features, some of which were removed
        if rule is not None:
            parts.pop(f"embedding:{name}", None)
            for part in PREFIXES:
                parts.pop(f"{part}{name}", None)
        fit = (bins, counts) if rule is None else rule.bins(bins, counts)
        if fit is not None:
            features[name], parts[f"feature:{name}"] = fit
    projections = {name: projection for name, projection in baseline.bins.projections.items() if rules[name] is None}
    texts = {
        name: words
        for name, words in baseline.texts.items()
        if any(text_of.get(feature) == name for feature in features)
    }
    columns = {role: name for role, name in baseline.columns.items() if role != "features"}
    return replace(
        baseline,
        bins=replace(baseline.bins, features=features, projections=projections, space=None),
        pane=Pane(parts),
        columns={**columns, "features": list(raw_names(tuple(features), tuple(texts)))},
        texts=texts,
        extras=replace(
            baseline.extras.leaving(_leaving(features, texts, rules)),
            applied_rules=_applied_rules(features, rules, before),
        ),
    )


def _without_ruled_keys(baseline: Baseline, privacy: Privacy) -> Baseline:
    slices = baseline.extras.slices
    ruled = [] if slices is None else [key for key in slices.by_key if privacy.rule(key) is not None]
    if slices is None or not ruled:
        return baseline
    remaining_columns = {role: name for role, name in baseline.columns.items() if role != "slices"}
    keys = [key for key in slices.by_key if key not in ruled]
    columns: Columns = {**remaining_columns, "slices": keys} if keys else remaining_columns
    outcomes = baseline.extras.slice_outcomes
    remaining_outcomes = None if outcomes is None else outcomes.without(ruled)
    losses = baseline.extras.losses
    extras = replace(
        baseline.extras,
        slices=slices.without(ruled),
        slice_outcomes=remaining_outcomes,
        losses=None if losses is None else losses.without(ruled),
    )
    return replace(baseline, columns=columns, extras=extras)


def _rules_before(baseline: Baseline) -> Mapping[str, str]:
    applied_rules = baseline.extras.applied_rules
    return {} if applied_rules is None else applied_rules.by_feature


def _leaving(features: Collection[str], texts: Collection[str], rules: Mapping[str, Rule | None]) -> FeatureFilter:
    return FeatureFilter(exported={*features, *texts}, plain={name for name in features if rules[name] is None})


def _applied_rules(
    features: Collection[str], rules: Mapping[str, Rule | None], before: Mapping[str, str]
) -> AppliedRules | None:
    rule_of = {name: kind for name, kind in before.items() if name in features}
    for name in features:
        rule = rules[name]
        if rule is not None and rule is not COMMON_VALUES:  # does not change rows
            rule_of[name] = HASHED if isinstance(rule, Hash) else ROUNDED
    return AppliedRules(rule_of) if rule_of else None
