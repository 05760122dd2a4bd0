"""The main job, on real data: a model trained in winter predicts late flights until December.

``data`` reads the flights, ``train`` fits the model and builds its baseline, ``service`` is the instrumented web
service, ``replay`` sends it every fifth flight in event time, ``story`` says what was found, and ``stage`` ties them
together.
"""

from __future__ import annotations


def run(once: bool = False, forward: str | None = None) -> int:
    """Run the demo (see :func:`stage.run`). Imported late: the service, a process of its own, needs none of it."""
    from .runner import run as run_stage

    return run_stage(once, forward)
