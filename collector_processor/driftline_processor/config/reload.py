"""Reload of the configuration while the processor runs: what has changed, and which keys need a restart.

As in Prometheus and in the Collector, a file is checked whole, and one with a problem changes nothing. Keys of which
the processor opens a port, a file or its memory at the start keep their values until a restart; all others are used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from driftline.semconv import metrics as m
from msgspec import Struct

from driftline_processor.health import Health

from .composition import included_files
from .schema import Config, ConfigError, load
from .section import Problem, Section

NEED_RESTART: Final = (
    "receivers",
    "web",
    "allowed_hosts",
    "limits.connections",
    "limits.memory",
    "limits.request_bytes",
    "storage.directory",
    "storage.in_memory",
    "storage.log",
    "shutdown",
)
"""Keys whose values change only by a restart."""

OUTSIDE_STATE: Final = ("auth", "metrics_anonymous", "insecure_anonymous", "exporters")
"""Keys on which nothing of the state depends."""


class ConfigFile(Struct, frozen=True):
    """The file of a configuration.

    Attributes:
        path: The file; None = the defaults.
        forward: The URL of ``--forward``.
    """

    path: Path | None = None
    forward: str | None = None

    def load(self) -> Config:
        """Read and check the file. Raises ConfigError with every problem at once."""
        return load(self.path, self.forward)

    def digest(self) -> str:
        """Return the SHA-256 digest of the file and of the files that it includes; "" without a readable file."""
        if self.path is None:
            return ""
        try:
            hashed = hashlib.sha256(self.path.read_bytes())
            for path in included_files(self.path):
                hashed.update(path.read_bytes())
        except OSError:
            return ""
        return hashed.hexdigest()


class ConfigChange(Struct, frozen=True):
    """The difference between the running configuration and a file.

    Attributes:
        config: What is used from now on: the file, except for the keys that need a restart.
        changed: Keys with another value from now on.
        waiting: Keys of the file whose values are used after a restart.
    """

    config: Config
    changed: Sequence[str]
    waiting: Sequence[str]

    @property
    def concerns_state(self) -> bool:
        """Whether the state depends on one of the changed keys."""
        return any(key.split(".")[0] not in OUTSIDE_STATE for key in self.changed)


class Reloaded(Struct, frozen=True):
    """The result of a reload.

    Attributes:
        changed: Keys with another value from now on; a token or baseline whose file has changed, too.
        waiting: Keys of the file whose values are used after a restart.
        digest: The SHA-256 digest of the file.
    """

    changed: Sequence[str]
    waiting: Sequence[str]
    digest: str

    @property
    def sentence(self) -> str:
        """What has changed, and what needs a restart."""
        changed = f"changed: {', '.join(self.changed)}" if self.changed else "nothing has changed"
        waiting = f"; restart driftline to use {', '.join(self.waiting)}" if self.waiting else ""
        return f"the configuration was reloaded; {changed}{waiting}"


class ReloadError(Exception):
    """The file cannot be used, so the configuration before it remains.

    Attributes:
        problems: What is wrong and how to fix it, a line each.
        status: The HTTP status of the answer.
    """

    def __init__(self, problems: Sequence[str], status: int = 400) -> None:
        super().__init__("\n".join(problems))
        self.problems, self.status = problems, status


def compare_with_running(running: Config, file: Config) -> ConfigChange:
    """Return the difference between the running configuration and a file.

    Raises ConfigError if the running values of keys that need a restart contradict the rest of the file.

    >>> file = running = load()
    >>> file = file.model_copy(update={"currency": "EUR", "allowed_hosts": ("drift.example.com",)})
    >>> change = compare_with_running(running, file)
    >>> change.changed, change.waiting, change.config.allowed_hosts
    (['currency'], ['allowed_hosts'], ())
    """
    config = _with_values_of(running, file)
    problems = [*config.problems()]
    if problems:
        fix = "restart driftline, because a part of this change needs it"
        raise ConfigError([Problem(problem.key, f"{problem.text}; or {fix}") for problem in problems])
    return ConfigChange(config, [*_differences(running, config)], [*_differences(config, file)])


def _with_values_of(running: Config, file: Config) -> Config:
    """Return a file's configuration with the running values of the keys that need a restart."""
    updates: dict[str, Any] = {}
    for key in NEED_RESTART:
        section, _, name = key.partition(".")
        value = getattr(running, section)
        if name:
            before = updates.get(section, getattr(file, section))
            value = before.model_copy(update={name: getattr(value, name)})
        updates[section] = value
    return file.model_copy(update=updates)


def _differences(before: Section, after: Section, prefix: str = "") -> Iterator[str]:
    """Yield the keys with different values, with the names of models and other entries."""
    for name in type(after).model_fields:
        yield from _differences_of_value(f"{prefix}{name}", getattr(before, name), getattr(after, name))


def _differences_of_value(key: str, before: object, after: object) -> Iterator[str]:
    if before == after:
        return
    found: list[str] = []
    if isinstance(before, Section) and isinstance(after, Section) and type(before) is type(after):
        found = [*_differences(before, after, f"{key}.")]
    elif isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys([*before, *after]):
            found += _differences_of_value(f"{key}.{name}", before.get(name), after.get(name))
    yield from found or [key]


class Reloads:
    """The file in use, and the result of the last reload, as a metric and for ``/readyz``. Thread-safe.

    Args:
        file: The file of the configuration.
        health: Receives the metrics and the problem.
        clock: Unix nanoseconds.
    """

    def __init__(self, file: ConfigFile, health: Health, clock: Callable[[], int]) -> None:
        self.file, self.health, self._clock = file, health, clock
        self.digest, self.loaded = file.digest(), clock()
        self.problems: Sequence[str] = ()
        self.waiting: Sequence[str] = ()
        self._count()
        self.health.watch("configuration", self.sentence, ready=True)

    def succeed(self, digest: str, waiting: Sequence[str]) -> None:
        """Note that a file is in use."""
        self.digest, self.loaded, self.waiting, self.problems = digest, self._clock(), tuple(waiting), ()
        self._count()

    def fail(self, problems: Sequence[str]) -> None:
        """Note that a file cannot be used."""
        self.problems = tuple(problems)
        self._count()

    @property
    def outdated(self) -> bool:
        """Whether the file on disk is another than the one in use."""
        return self.file.path is not None and self.file.digest() != self.digest

    def sentence(self) -> str | None:
        """Return what is wrong with the last reload, without the name of a model, since anybody may read it."""
        if self.problems:
            count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
            return (
                f"the last reload failed with {count}, so the configuration before it is in use; the log of the "
                "processor lists the problems; fix the file, and send SIGHUP again"
            )
        if self.waiting:
            sections = dict.fromkeys(
                next(key for key in NEED_RESTART if waiting == key or waiting.startswith(f"{key}."))
                for waiting in self.waiting
            )
            return f"restart driftline to use the new values of {', '.join(sections)}"
        return None

    def _count(self) -> None:
        counters = self.health.counters
        counters.set(m.DRIFTLINE_CONFIG_RELOAD_SUCCESS, float(not self.problems))
        counters.set(m.DRIFTLINE_CONFIG_RELOAD_TIME, self.loaded / 1e9)
