"""The identity of a model: what every span, record and count of a model says about it."""

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
    """A model as its handles describe it; equal handles share records and counts.

    Attributes:
        features: The allow-list, and the names of inputs that have none, in order; None = every feature.
        capture: What leaves per row: "features" and scores, "scores" alone, or "none".
        privacy: Rules per feature.
        text_features: Features that are documents, of which only descriptors leave; but for ``stored_texts``.
        distributions: Of how many features the distribution is sent as metrics, at most; 0 = of none, nor of scores.
        vocabularies: Text features of the baseline, with the words of its texts.
        score_attribute: The name under which this task's score travels.
        derive_class: The class that a score decides for, as :meth:`Task.derive_class`.
        discreet: True where values may leave only as the rules say, so that no message of an exception and no log line
            may hold one.
        hash_id: What makes an id fit to leave, None where it is so already.
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
    stored_texts: frozenset[str] = frozenset()
    vocabularies: tuple[tuple[str, Vocabulary], ...] = ()
    score_attribute: str = field(init=False, compare=False)
    derive_class: Callable[[Task, Any], str] = field(init=False, compare=False)
    discreet: bool = field(init=False, compare=False)
    hash_id: Callable[[str], str] | None = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Work out what the hot path asks: a plain attribute is read five times as fast as a property."""
        score = a.DRIFTLINE_PREDICTION_SCORES if self.task.quantiles else _SCORES.of(self.task)
        object.__setattr__(self, "score_attribute", score)
        object.__setattr__(self, "derive_class", self.task.of_kind.derive_class)
        object.__setattr__(self, "discreet", self.privacy.rules or self.capture != "features")
        object.__setattr__(self, "hash_id", self.privacy.id if self.privacy.hash_id else None)

    def records(self, feature: str) -> bool:
        """Return True where anything may leave under the name of a feature, or of a text's descriptor.

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


def declared_texts(
    given: Sequence[str] | Mapping[str, str], known: Sequence[str]
) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of text features, and of those whose text is kept, from what was said and what is known.

    ``given``: names, or a mapping of names to "describe" or "keep". Raises ``TypeError`` or ``ValueError``, with the
    fix, for anything else.

    >>> declared_texts({"message": "keep"}, ["title"])[1]
    frozenset({'message'})
    """
    if isinstance(given, str):
        raise TypeError(f"text_features is a single string, {given!r}; use text_features=({given!r},)")
    rules = dict(given) if isinstance(given, Mapping) else dict.fromkeys(given, "describe")
    for name, rule in rules.items():
        if not isinstance(name, str) or rule not in ("describe", "keep"):
            raise ValueError(
                f"text_features: {name!r}: {rule!r} is not valid; use the name of a feature and 'describe' or 'keep'"
            )
    return frozenset({*known, *rules}), frozenset(name for name, rule in rules.items() if rule == "keep")


MOST_FEATURES = 1024


FEW_FEATURES = 64
"""Unless asked for, as on a span. On a baseline's bins a feature is a hundred series in Prometheus, per process."""


def most_features(requested: bool | None, capture: Capture) -> int:
    """Return of how many features the distributions are sent. ``requested``: what code says, else the environment.

    Raises ``ValueError`` where they are turned off, though they are all that leaves, and where the environment says
    neither true nor false.

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
