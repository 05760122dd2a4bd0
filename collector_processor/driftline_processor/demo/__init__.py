"""The main job, on real data: a model trained in winter predicts late flights until December.

``data`` reads the flights, ``train`` fits the model and builds its baseline, ``service`` is the instrumented web service,
``replay`` sends it every fifth flight in event time, and ``story`` says what was found. ``run`` ties them together.
"""

from __future__ import annotations

from .stage import run

__all__ = ["run"]
