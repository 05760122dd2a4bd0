"""What is derived, and to whom it goes: the exporters whose ``derived`` names metrics or traces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from driftline.tables import ModelKey

from .config import Config
from .derived import DerivedMetrics, Sink
from .destination import Destination
from .health import Counters
from .outcome_spans import OutcomeSpans
from .signals import Signal
from .state import State


def derive(
    config: Config,
    state: State,
    destinations: Mapping[str, Destination],
    counters: Counters,
    clock: Callable[[], int],
) -> DerivedMetrics:
    """Listen to the state for outcome spans, and return what sends the metrics, to be started and stopped.

    Call it before anything is received; stop what it returns after the state and before the destinations.
    ``clock``: unix nanoseconds.
    """

    def keys() -> dict[int, ModelKey]:
        rows = state.read("SELECT series, model, version, environment FROM models").to_pylist()
        return {row["series"]: ModelKey(row["model"], row["version"], row["environment"]) for row in rows}

    def offer(name: str, signal: Signal) -> Callable[[bytes], None]:
        return partial(destinations[name].offer, signal, headers={})

    wanting = {kind: [name for name, each in config.exporters.items() if kind in each.derived] for kind in _KINDS}
    state.on_joined(OutcomeSpans(keys, [offer(name, "traces") for name in wanting["traces"]], counters))
    sinks = [Sink(offer(name, "metrics"), config.exporters[name].temporality) for name in wanting["metrics"]]
    return DerivedMetrics(state.view, sinks, clock)


_KINDS = ("metrics", "traces")
