"""Which pipeline a model uses: the process's own, or one per channel that a test gave."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable

from .channel import Channel, Confirming, HttpChannel, load, open_channel, warn_unopened
from .endpoint import Endpoint, Signal, resolve, silenced
from .pipeline import Pipeline
from .reporter import Reporter, interval, is_cumulative, wanted

SILENT = Pipeline(lambda: open_channel(endpoint()), recording=False)
"""Takes nothing: what a model uses where ``OTEL_SDK_DISABLED`` is set."""
SILENT.close()

_lock = threading.Lock()
_default: Pipeline | None = None
_given: weakref.WeakValueDictionary[int, Pipeline] = weakref.WeakValueDictionary()
_configured: str | None = None
confirming: Callable[[Endpoint], Confirming] = HttpChannel
"""Opens the way that ``Model.outcomes`` takes; a capture has one of its own."""


def pipeline_of(channel: Channel | None, metrics: Channel | None = None) -> Pipeline:
    """Return the pipeline of a channel; of the process's endpoint where there is none.

    ``metrics``: the channel that distributions take, where they are not the process's own; else there are none.
    """
    global _default
    with _lock:
        if channel is None:
            if _default is None:
                _load("logs")
                reporter = None
                if wanted(configured=_configured is not None):
                    _load("metrics")
                    reporter = Reporter(
                        lambda: open_channel(endpoint("metrics")), interval=interval(), cumulative=is_cumulative()
                    )
                _default = Pipeline(
                    lambda: open_channel(endpoint()),
                    recording=_configured is not None or not silenced(),
                    reporter=reporter,
                )
            return _default
        pipeline = _given.get(id(channel))
        if pipeline is None:
            reporter = None if metrics is None else Reporter(lambda: metrics, cumulative=is_cumulative())
            pipeline = _given[id(channel)] = Pipeline(lambda: channel, reporter=reporter)
        return pipeline


def _load(signal: Signal) -> None:
    """Import what a channel needs, or say why that fails: the service that makes a Model starts all the same."""
    try:
        load(endpoint(signal))
    except Exception as error:
        warn_unopened(signal, error)


def endpoint(signal: Signal = "logs") -> Endpoint:
    """Return where records and outcomes of this process go, or its distributions."""
    return resolve(_configured, signal=signal)


def use_endpoint(url: str | None) -> None:
    """Send records and outcomes of this process to that URL, whatever the environment says."""
    global _configured
    _configured = url
