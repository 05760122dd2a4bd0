"""Which pipeline a model uses: the process's own, or one per channel that a test gave."""

from __future__ import annotations

import threading
import weakref

from .channel import Channel, load, open_channel
from .endpoint import Endpoint, resolve, silenced
from .pipeline import Pipeline

SILENT = Pipeline(lambda: open_channel(endpoint()), recording=False)
"""Takes nothing: what a model uses where ``OTEL_SDK_DISABLED`` is set."""
SILENT.close()

_lock = threading.Lock()
_default: Pipeline | None = None
_given: weakref.WeakValueDictionary[int, Pipeline] = weakref.WeakValueDictionary()
_configured: str | None = None


def pipeline_of(channel: Channel | None) -> Pipeline:
    """Return the pipeline of a channel; of the process's endpoint where there is none."""
    global _default
    with _lock:
        if channel is None:
            if _default is None:
                load(endpoint())
                _default = Pipeline(lambda: open_channel(endpoint()), recording=not silenced())
            return _default
        pipeline = _given.get(id(channel))
        if pipeline is None:
            pipeline = _given[id(channel)] = Pipeline(lambda: channel)
        return pipeline


def endpoint() -> Endpoint:
    """Return where records and outcomes of this process go."""
    return resolve(_configured)


def use_endpoint(url: str | None) -> None:
    """Send records and outcomes of this process to that URL, whatever the environment says."""
    global _configured
    _configured = url
