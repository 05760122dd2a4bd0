"""The identity of a model: the attributes that all its spans, records and counts share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from driftline.inputs.text_descriptors import SUFFIXES
from driftline.inputs.vocabulary import Vocabulary
from driftline.privacy.policy import Capture, Privacy
from driftline.privacy.rules import DENY
from driftline.semconv import attributes as a
from driftline.settings import read, switch
from driftline.tables.task import PerKind, Task

SCOPE = "driftline"
VERSION = "0.1.0"
_SCORES = PerKind(
    binary=a.ML_PREDICTION_SCORE,
    multiclass=a.DRIFTLINE_PREDICTION_SCORES,
    regression=a.ML_PREDICTION_VALUE,
    ranking=a.DRIFTLINE_PREDICTION_SCORES,
    unknown="",
)


@dataclass(frozen=True)
class Identity:
    """The parameters of a model; models with equal identities share records and counts.

    Attributes:
        features: Allow-list, and the names for inputs without names, in order; None = every feature.
        capture: Values exported per row: "features" (and scores), "scores" or "none".
        privacy: Rules per feature.
        text_features: Features that are documents. Only their descriptors are exported.
        distributions: Maximum number of features whose distributions are sent as metrics; 0 = no distributions, not
            even of scores.
        vocabularies: Text features of the baseline, with the words of its texts.
        score_attribute: Attribute of the score for this task.
        derive_class: Class that a score implies, as :meth:`Task.derive_class`.
        discreet: True if rules restrict which values are exported; then no exception message and no log line contains a
            value.
        hash_id: Function that hashes an id before export; None if ids are exported unchanged.
    """

    name: str
    version: str = ""
    task: Task = field(default_factory=Task)
    features: tuple[str, ...] | None = None
    tracer_provider: TracerProvider | None = None
    meter_provider: MeterProvider | None = None
    capture: Capture = "features"
    privacy: Privacy = field(default_factory=Privacy)
    text_features: frozenset[str] = frozenset()
    distributions: int = 64
    vocabularies: tuple[tuple[str, Vocabulary], ...] = ()
    score_attribute: str = field(init=False, compare=False)
    derive_class: Callable[[Task, Any], str] = field(init=False, compare=False)
    discreet: bool = field(init=False, compare=False)
    hash_id: Callable[[str], str] | None = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Compute the values that the hot path reads: a plain attribute is five times as fast as a property."""
        score = a.DRIFTLINE_PREDICTION_SCORES if self.task.quantiles else _SCORES.of(self.task)
        object.__setattr__(self, "score_attribute", score)
        object.__setattr__(self, "derive_class", self.task.of_kind.derive_class)
        object.__setattr__(self, "discreet", self.privacy.rules or self.capture != "features")
        object.__setattr__(self, "hash_id", self.privacy.id if self.privacy.hash_id else None)

    def is_model_of(self, other: Identity) -> bool:
        """Return True if both are one version of one model; an unset version is any version.

        >>> first, second = Identity("churn", "1"), Identity("churn", "2")
        >>> first.is_model_of(Identity("churn")), first.is_model_of(second)
        (True, False)
        """
        versions = {self.version, other.version} - {""}
        return self.name == other.name and len(versions) < 2

    def records(self, feature: str) -> bool:
        """Return True if values may be exported under the name of a feature or of a text's descriptor.

        >>> churn = Identity("churn", features=("age", "message"), text_features=frozenset({"message"}))
        >>> churn.records("message.words"), churn.records("income")
        (True, False)
        """
        text, _, descriptor = feature.rpartition(".")
        if text in self.text_features and f".{descriptor}" in SUFFIXES:
            return (self.features is None or text in self.features) and self.privacy.part(text, feature) is not DENY
        return (self.features is None or feature in self.features) and self.privacy.allows(feature)

    def record_attributes(self) -> dict[str, Any]:
        """Return the attributes of a record that describe the model."""
        attributes: dict[str, Any] = {a.ML_MODEL_NAME: self.name}
        if self.version:
            attributes[a.ML_MODEL_VERSION] = self.version
        if self.task.kind:
            attributes[a.ML_MODEL_TASK] = self.task.kind
        if self.task.classes:
            attributes[a.DRIFTLINE_MODEL_CLASSES] = self.task.classes
        if self.task.quantiles:
            attributes[a.DRIFTLINE_MODEL_QUANTILES] = self.task.quantiles
        if self.task.has_threshold:
            attributes[a.DRIFTLINE_MODEL_POSITIVE_CLASS] = self.task.positive_class
            attributes[a.DRIFTLINE_MODEL_THRESHOLD] = self.task.threshold
        return attributes


def declared_texts(given: Sequence[str], known: Sequence[str]) -> frozenset[str]:
    """Return the names of text features: the given ones, and those of the baseline (``known``).

    Raises ``TypeError``, with the fix, for anything else than names.

    >>> sorted(declared_texts(["message"], ["title"]))
    ['message', 'title']
    """
    if isinstance(given, str):
        raise TypeError(f"text_features is a single string, {given!r}; use text_features=({given!r},)")
    if isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise TypeError(f"text_features must be names of features, such as ('message',), not {given!r}")
    return frozenset({*known, *given})


MOST_FEATURES = 1024


FEW_FEATURES = 64
"""Default limit of features with distributions, as on a span. A feature has a hundred series per process in Prometheus.
"""


def most_features(requested: bool | None, capture: Capture) -> int:
    """Return the number of features whose distributions are sent.

    ``requested``: the argument of the model; None for the setting of the environment. Raises ``ValueError`` if
    distributions are turned off but no rows are exported, and if the environment's value is neither true nor false.

    >>> most_features(None, "features"), most_features(True, "features"), most_features(None, "none")
    (64, 1024, 1024)
    """
    if requested is None and read("DRIFTLINE_DISTRIBUTIONS"):
        requested = switch("DRIFTLINE_DISTRIBUTIONS")
    if capture != "features":
        if requested is False:
            raise ValueError(
                f"capture={capture!r} does not send features, so drift can be detected only from their distributions, "
                "which are turned off; remove distributions=False (DRIFTLINE_DISTRIBUTIONS=false)"
            )
        return MOST_FEATURES
    if requested is None:
        return FEW_FEATURES
    return MOST_FEATURES if requested else 0
