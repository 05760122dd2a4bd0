"""The capabilities of senders and people, by which every address of the processor is protected."""

from __future__ import annotations

from typing import Literal, get_args

Capability = Literal[
    "ingest",
    "outcomes",
    "panes",
    "read",
    "read_rows",
    "metrics",
    "baselines",
    "annotate",
    "decide",
    "erase",
    "admin",
]
"""What a request may do.

- ``ingest``: send predictions and other telemetry by OTLP
- ``outcomes``: send outcomes
- ``panes``: send panes, which are sums of rows that a batch job has computed
- ``read``: read results of models, on pages and by the API
- ``read_rows``: read rows of predictions: ids, features, scores, outcomes
- ``metrics``: read ``/metrics``
- ``baselines``: replace the baseline of a model
- ``annotate``: add marks to the timeline of a model
- ``decide``: acknowledge alerts, silence them, approve actions, and record decisions
- ``erase``: delete predictions, subjects and models
- ``admin``: reload the configuration, back up the state, and read the audit log
"""

CAPABILITIES: tuple[Capability, ...] = get_args(Capability)
