"""Select the columns of an input that become features: distinct names, descriptors for texts, a bounded number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from driftline.capture.call_plan import CallPlan
from driftline.faults import FAULTS, logger
from driftline.inputs.text_descriptors import describe, with_short_texts
from driftline.inputs.texts_and_vectors import TEXT_LIMIT
from driftline.inputs.values import Columns
from driftline.loss_counters import DUPLICATE_NAME, TOO_MANY_FEATURES, UNUSABLE
from driftline.tables.table import Column

if TYPE_CHECKING:
    from driftline.capture.call_plan import CallPlan


def features_of(plan: CallPlan, columns: Columns) -> Columns:
    """Return the features among the columns of an input, in their order."""
    texts = plan.identity.text_features
    features: Columns = {}
    for name, values in columns.items():
        if not plan.is_feature(name):
            continue
        if name in texts:
            features |= _texts(plan, name, values if isinstance(values, Column) else Column(values))
        else:
            features[name] = shorten_long_texts(plan.identity.name, name, values)
    return features


def slices_of(plan: CallPlan, columns: Columns) -> Columns:
    """Return the slices among columns."""
    slices = {name: values for name, values in columns.items() if plan.cuts(name)}
    return {name: with_short_texts(v) if isinstance(v, Column) else v for name, v in slices.items()}


def shorten_long_texts(model: str, name: str, values: NDArray[Any] | Column) -> NDArray[Any] | Column:
    """Shorten texts of more than 256 characters, and log it once."""
    if not isinstance(values, Column):
        return values
    short_texts = with_short_texts(values)
    if short_texts is not values and FAULTS.once(f"text {model} {name}"):
        logger.warning(
            "driftline: %s: %r contains texts of more than %d characters, which are recorded as categories: their "
            "first characters and a hash; Model(text_features=(%r,)) records their length, words and script instead",
            model, name, TEXT_LIMIT, name,
        )  # fmt: skip
    return short_texts


def _texts(plan: CallPlan, name: str, texts: Column) -> Columns:
    """Return the descriptors of a text, each under the privacy rule of its own name."""
    identity = plan.identity
    columns = describe(name, texts, dict(identity.vocabularies).get(name))
    text_columns: Columns = {}
    for column_name, column in columns.items():
        rule = identity.privacy.part(name, column_name)
        values = column if rule is None else rule.column(column)
        if values is not None:
            text_columns[column_name] = values
    return text_columns


MOST_FEATURES = 1000
"""Maximum number of recorded features per model, the first ones; the processor accepts 1,024 columns per request."""


class ColumnSelection:
    """Selects the columns of one snapshot, called in order. Of two columns of one name, the first is read."""

    def __init__(self, plan: CallPlan) -> None:
        self._plan = plan
        self._taken: set[str] = set()
        self._room = MOST_FEATURES

    def __call__(self, name: str) -> bool:
        """Return True if the column of this name is read."""
        plan, inputs = self._plan, self._plan.inputs
        feature = plan.is_feature(str(name))
        if not feature and name not in (inputs.id_field, inputs.time_field) and name not in inputs.slice_fields:
            return False
        if str(name) in self._taken:
            UNUSABLE.add(DUPLICATE_NAME)
            return False
        if feature:
            if self._room == 0:
                UNUSABLE.add(TOO_MANY_FEATURES)
                return False
            self._room -= 1
        self._taken.add(str(name))
        return True
