"""Limits on the numbers of models, versions and environments, and the treatment of further names.

Names come from senders, so each has a limit (``limits`` of the configuration). The first prediction, metric or
baseline of a name takes a place, which is stored over restarts. Names in the configuration always have a place. Beyond
the limit

- rows and outcomes of a further model are counted under ``driftline.limited.rows`` and not stored,
- rows of a further version or environment of a model are stored under the name ``other``;
- features of a series beyond :data:`~.feature_names.MOST_NAMES` are counted under ``driftline.limited.rows`` and not
  used.

A sender whose token is for some models only cannot take a place if half of the places are taken by models that it may
name, so that no team uses up those of another.

Each model has places for its own versions and environments, so that no sender uses up those of another's model. The
series of all models together, one per version and environment, share what the memory allows, see
:data:`SERIES_BYTES`. The first series of a model has a place besides, and so have ``limits.versions`` series of a model
in the configuration. Rows of further series are stored under version and environment ``other``.

``driftline forget --model NAME`` frees a place. A version without rows for a day is replaced by a new one, so that a
model that is deployed daily stays within the limit. Pages and API keep its history, metrics do not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import islice
from types import MappingProxyType

from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline.tables.table import ModelKey, OutcomeTable
from msgspec import structs

from driftline_processor.access.principal import Permission
from driftline_processor.config.model import Model
from driftline_processor.config.schema import Limits
from driftline_processor.core.decode.training_runs import TrainingRun
from driftline_processor.health import Counters
from driftline_processor.present.numbers import many
from driftline_processor.present.wording import short

from .feature_names import MOST_NAMES

OTHER = "other"
"""The version or environment beyond the limit."""

REASON = "model_limit"
"""The rejection reason of rows of a model beyond the limit."""

SERIES_BYTES = 1 << 19
"""Bytes of ``limits.memory`` per series.

A series needs 64 KiB (measured). Eight times as much also bounds the time of evaluation.
"""

IDLE = 24 * 3600 * 10**9
"""Nanoseconds without a row after which a version or a series may be replaced."""

_LOOK_EVERY = 60 * 10**9
"""Nanoseconds between searches for idle series."""

_ANY = frozenset({"*"})
_NOTHING: Mapping[ModelKey, int] = MappingProxyType({})
_MOST_NAMES = 10_000
"""Maximum number of distinct names beyond the limit that are counted for the message."""

_MOST_MODELS = 100
"""Maximum number of models whose names of features are counted; the one that was counted first is dropped."""


class ModelLimits:
    """The models, versions and environments within the limits.

    One thread writes; any thread may call :meth:`sentence` and :meth:`holds`.

    Attributes:
        sender: Patterns of the models that the sender of the current request may name.

    >>> limits = ModelLimits(Limits(models=1, versions=1), {}, Counters())
    >>> limits.place(ModelKey("churn", "1"), rows=1, now=0)
    ModelKey(model='churn', version='1', environment='')
    >>> limits.place(ModelKey("churn", "2"), rows=1, now=0)
    ModelKey(model='churn', version='other', environment='')
    >>> limits.place(ModelKey("churn", "2"), rows=1, now=IDLE)
    ModelKey(model='churn', version='2', environment='')
    >>> limits.place(ModelKey("fraud", "1"), rows=1, now=0) is None
    True
    """

    def __init__(self, limits: Limits, models: Mapping[str, Model], counters: Counters) -> None:
        """Create the limits from the configuration."""
        self._limits, self._models, self._counters = limits, models, counters
        self._beyond: dict[str, dict[str, None]] = {"models": {}, "versions": {}, "environments": {}, "memory": {}}
        self._features: dict[str, dict[str, None]] = {}
        self._most_shared = limits.memory // SERIES_BYTES
        self.sender = _ANY
        self.load()

    def load(
        self,
        received_by_key: Mapping[ModelKey, int] = _NOTHING,
        baselines: Collection[tuple[str, str, int]] = (),
        now: int = 0,
    ) -> None:
        """Give places to all stored names, except idle versions beyond the limit, and to nothing else.

        ``received_by_key``: arrival of the newest row per series, unix nanoseconds. ``baselines``: models and versions
        with a baseline, and its arrival.
        """
        versions: dict[str, dict[str, int]] = {}
        self._environments: dict[str, set[str]] = {}
        series: dict[str, dict[tuple[str, str], int]] = {}
        for key, received in received_by_key.items():
            self._environments.setdefault(key.model, set()).add(key.environment)
            series.setdefault(key.model, {})[key.version, key.environment] = received
        self._series, self._looked = series, now - _LOOK_EVERY
        self._shared = self._count_shared()
        self._free_series(now)
        for model, version, received in (
            *((key.model, key.version, received) for key, received in received_by_key.items()),
            *baselines,
        ):
            versions_of_model = versions.setdefault(model, {})
            versions_of_model[version] = max(received, versions_of_model.get(version, 0))
        self._versions = versions  # replaced at once, because a concurrent scrape must not see it empty
        for model in versions:
            self._free_places(model, now, self._limits.versions)
        self._unconfigured = {name for name in self._versions if name not in self._models}
        self._held = Counter[frozenset[str]]()
        self._rows = Counter[str]()

    def count(self) -> None:
        """Add the names and rows beyond the limits to the counters, after their transaction was committed."""
        for limit, rows in self._rows.items():
            self._counters.add(m.DRIFTLINE_LIMITED_ROWS, rows, {a.DRIFTLINE_LIMIT: limit})
        self._rows = Counter[str]()

    def place(self, key: ModelKey, rows: int, now: int) -> ModelKey | None:
        """Return the key under which rows of ``key`` are stored, taking a place; None if they are not stored.

        ``now``: unix nanoseconds.
        """
        if not self._admit_model(key.model, rows):
            return None
        version = self._version(key.model, key.version, rows, now)
        environment = self._environment(key.model, key.environment, rows, take=True)
        if not self._admit_series(key.model, (version, environment), now):
            self._count("memory", f"{key.model} {version} {environment}", rows)
            version = environment = OTHER
            self._versions[key.model][OTHER] = self._series[key.model][OTHER, OTHER] = now
        return (
            key
            if (version, environment) == (key.version, key.environment)
            else ModelKey(key.model, version, environment)
        )

    def holds(self, key: ModelKey) -> bool:
        """Return True if a series still has a place."""
        place = key.version, key.environment
        return key.version in self._versions.get(key.model, ()) and place in self._series.get(key.model, ())

    def place_baseline(self, model: str, version: str, now: int) -> bool:
        """Return True if a baseline is stored, which requires a place for its model and version."""
        return self._admit_model(model, 1) and self._version(model, version, 1, now) == version

    def place_training_run(self, run: TrainingRun) -> TrainingRun | None:
        """Return a training run as it is stored, None if it is not; its model takes a place, its version does not."""
        if not self._admit_model(run.model, 1):
            return None
        environment = self._environment(run.model, run.environment, 1, take=False)
        return run if environment == run.environment else structs.replace(run, environment=environment)

    def place_outcomes(self, outcomes: OutcomeTable) -> OutcomeTable | None:
        """Return outcomes as they are stored, None if they are not; they take no place."""
        if outcomes.model not in self._versions and not self._has_room(outcomes.model):
            self._count("models", outcomes.model, len(outcomes))
            return None
        if outcomes.environment is None:
            return outcomes
        environment = self._environment(outcomes.model, outcomes.environment, len(outcomes), take=False)
        return outcomes if environment == outcomes.environment else replace(outcomes, environment=environment)

    def leave_out_features(self, model: str, values: Counter[str]) -> None:
        """Count features of a series beyond their limit; ``values``: the name → its number of values."""
        if not values:
            return
        names = self._features.setdefault(model, {})
        names |= dict.fromkeys(islice(values, max(0, _MOST_NAMES - len(names))))
        if len(self._features) > _MOST_MODELS:
            del self._features[next(iter(self._features))]
        self._rows["features"] += values.total()

    def sentence(self) -> str | None:
        """Return a sentence about names beyond the limits since the start; None without any."""
        sentences = [
            f"{short(model)} has more than {MOST_NAMES:,} features; {_count(len(names), 'name')} in few rows are not "
            f"used, such as {', '.join(map(short, list(names.copy())[:3]))}; do not use ids as names of features"
            for model, names in self._features.copy().items()
        ][:3]
        for limit, noun, most, fate in (
            ("models", "model", f"{self._limits.models:,}", "counted but not stored"),
            ("versions", "version", f"{self._limits.versions:,} per model", f"stored under version '{OTHER}'"),
            (
                "environments",
                "environment",
                f"{self._limits.environments:,} per model",
                f"stored under environment '{OTHER}'",
            ),
            ("memory", "name", f"{self._most_shared:,} series", f"stored under version and environment '{OTHER}'"),
        ):
            names = list(self._beyond[limit].copy())
            if names:
                shown_names = ", ".join(short(name) for name in names[:3])
                sentences.append(
                    f"rows of {_count(len(names), noun)} above limits.{limit} ({most}) are {fate}, such as "
                    f"{shown_names}; raise the limit, or remove a model with driftline forget --model NAME"
                )
        return "; ".join(sentences) or None

    def _has_room(self, model: str) -> bool:
        if model in self._models:
            return True
        if len(self._unconfigured) >= self._limits.models:
            return False
        return "*" in self.sender or self._held_by_sender() < max(1, self._limits.models // 2)

    def _held_by_sender(self) -> int:
        """Return how many names with a place the sender may use."""
        if self.sender not in self._held:
            covers = Permission(frozenset(), tuple(self.sender)).covers
            self._held[self.sender] = sum(map(covers, self._unconfigured))
        return self._held[self.sender]

    def _admit_model(self, model: str, rows: int) -> bool:
        if model not in self._versions:
            if not self._has_room(model):
                self._count("models", model, rows)
                return False
            self._versions[model] = {}
            if model not in self._models:
                self._unconfigured.add(model)
                self._held.clear()
        return True

    def _version(self, model: str, version: str, rows: int, now: int) -> str:
        versions = self._versions[model]
        if version not in versions and version not in self._configured_versions(model):
            self._free_places(model, now, self._limits.versions - 1)
            if self._place_count(model) >= self._limits.versions:
                self._count("versions", f"{model} {version}", rows)
                version = OTHER
        versions[version] = now
        return version

    def _free_places(self, model: str, now: int, limit: int) -> None:
        """Free the places of versions that were idle for a day, longest first, until ``limit`` versions remain."""
        versions = self._versions[model]
        for version in sorted(versions, key=versions.__getitem__):
            if self._place_count(model) <= limit or now - versions[version] < IDLE:
                return
            if version != OTHER and version not in self._configured_versions(model):
                del versions[version]

    def _place_count(self, model: str) -> int:
        return len(self._versions[model].keys() - {OTHER, *self._configured_versions(model)})

    def _configured_versions(self, model: str) -> tuple[str, ...]:
        """Return the versions in the configuration."""
        if model not in self._models:
            return ()
        version_settings = self._models[model].versions
        return (
            *([version_settings.champion] if version_settings.champion else ()),
            *version_settings.challenger,
            *version_settings.shadow,
            *version_settings.canary,
        )

    def _admit_series(self, model: str, place: tuple[str, str], now: int) -> bool:
        """Return True if a version in an environment has a place, or takes one."""
        series = self._series.setdefault(model, {})
        if place not in series and len(series) >= self._own_places(model):
            self._free_series(now)
            if self._shared >= self._most_shared:
                return False
            self._shared += 1
        series[place] = now
        return True

    def _own_places(self, model: str) -> int:
        """Return the number of series of a model that need no shared place."""
        return self._limits.versions if model in self._models else 1

    def _count_shared(self) -> int:
        return sum(max(0, len(series) - self._own_places(model)) for model, series in self._series.items())

    def _free_series(self, now: int) -> None:
        """Free the places of all series that were idle for a day, if the shared ones are used up."""
        if self._shared < self._most_shared or now - self._looked < _LOOK_EVERY:
            return
        self._looked = now
        self._series = {
            model: {place: received for place, received in series.items() if now - received < IDLE}
            for model, series in self._series.items()
        }
        self._shared = self._count_shared()

    def _environment(self, model: str, environment: str, rows: int, take: bool) -> str:
        environments = self._environments.get(model, set())
        if environment not in environments | {OTHER} and len(environments - {OTHER}) >= self._limits.environments:
            self._count("environments", environment, rows)
            environment = OTHER
        if take:
            self._environments.setdefault(model, set()).add(environment)
        return environment

    def _count(self, limit: str, name: str, rows: int) -> None:
        names = self._beyond[limit]
        if len(names) < _MOST_NAMES:
            names[name] = None
        self._rows[limit] += rows


def _count(names: int, noun: str) -> str:
    return many(names, noun) if names < _MOST_NAMES else f"more than {_MOST_NAMES:,} {noun}s"
