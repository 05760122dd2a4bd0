"""How the rows of each model are folded, from the keys of ``driftline.yaml``. Executors get it pickled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
from driftline.baseline.baseline import Baseline, protect_baseline
from driftline.batch_panes import RowOutcomes, Span, fold_panes, pane_starts
from driftline.privacy.policy import Privacy, rules_in_force
from driftline.privacy.rules import SHORT
from driftline.tables.column_codec import strings, texts
from driftline.tables.table import I64, Column, PredictionTable, Text
from driftline.tables.task import Task
from msgspec import Struct

from driftline_processor.config.model import Model
from driftline_processor.store.arrow_tables import split_subject
from driftline_processor.store.series import resolve

from .pane_rows import to_batch


class FoldedModel(Struct, frozen=True):
    """How the rows of one model are folded.

    Attributes:
        baseline: The baseline over whose bins they are counted.
        settings: The keys of the model.
        span: Length of the panes.
        privacy: Rules that apply before anything is counted or written.
        key_check: Hash by which an executor finds out whether it has the key of the rules, "" without hashes.
    """

    baseline: Baseline
    settings: Model
    span: Span
    privacy: Privacy
    key_check: str = ""

    @classmethod
    def of(cls, baseline: Baseline, settings: Model, span: Span) -> FoldedModel:
        """Return it with the privacy rules of the environment, which also apply to the baseline."""
        rules = rules_in_force(None)
        return cls(protect_baseline(baseline, rules), settings, span, rules, _key_check(rules))

    @property
    def task(self) -> Task:
        """The task of the configuration and the baseline."""
        return resolve(self.settings, Task(), self.baseline.task, self.baseline.task, declared=True)[0]

    def prepared(self, table: PredictionTable) -> PredictionTable | None:
        """Return decoded rows with the task of the model, after the privacy rules, with declared slices only.

        None if they have the scores of other classes.
        """
        self._check_key()
        task, scores = self.task, table.scores
        if scores is not None and scores.shape[1] > 1 and table.task.classes != task.classes:
            if sorted(table.task.classes) != sorted(task.classes):
                return None
            scores = scores[:, [table.task.classes.index(name) for name in task.classes]]
        table, _ = split_subject(replace(table, task=task, scores=scores), self.settings.subject)
        slices = {key: table.slices[key] for key in self._kept if key in table.slices}
        if not self.privacy.rules:
            return replace(table, slices=slices)
        features = self.privacy.columns({**table.features}, tuple(self.baseline.texts))
        return replace(
            table,
            id=self.hashed(table.id),
            features={name: column for name, column in features.items() if isinstance(column, Column)},
            slices={key: column for key, column in slices.items() if self.privacy.rule(key) is None},
        )

    def hashed(self, ids: Text) -> Text:
        """Return the ids of predictions after the privacy rules."""
        self._check_key()
        return texts(map(self.privacy.id, strings(ids))) if self.privacy.hash_id else ids

    def _check_key(self) -> None:
        """Raise ValueError if the hashes of this process are not those of the driver: a pickle contains no key."""
        if self.key_check and self.key_check != _key_check(self.privacy):
            raise ValueError(
                "driftline: DRIFTLINE_PRIVACY_KEY is missing or another one on this executor, so that its hashes do "
                "not match; set the key of the driver in the environment of the workers"
            )

    @property
    def _kept(self) -> tuple[str, ...]:
        cluster = self.settings.cluster
        return tuple(dict.fromkeys((*self.settings.sliced, *([cluster] if cluster else []))))

    def fold(self, table: PredictionTable, outcomes: RowOutcomes, sign: int = 0) -> pa.RecordBatch:
        """Return the panes of prepared rows as a batch of :mod:`.pane_rows`.

        Args:
            table: The rows.
            outcomes: Their outcomes.
            sign: 0 = predictions, with outcomes if there are any; 1 = outcomes of rows that were folded before; -1 =
                outcomes that no longer hold.
        """
        settings = self.settings
        panes = fold_panes(
            table,
            self.baseline,
            outcomes,
            cluster=settings.cluster or "",
            span=self.span,
            timezone=settings.timezone,
            slices=settings.sliced,
            predictions=not sign,
        )
        starts, group = np.unique(pane_starts(table.time, self.span, settings.timezone), return_inverse=True)
        newest: I64 = np.zeros(len(starts), np.int64)
        np.maximum.at(newest, group, table.time)
        return to_batch(table.key, panes, dict(zip(starts.tolist(), newest.tolist(), strict=True)), sign or 1)


def _key_check(rules: Privacy) -> str:
    return rules.key.digest("driftline", SHORT) if rules.key is not None and (rules.hash or rules.hash_id) else ""


Models = Mapping[str, FoldedModel]
"""By name."""
