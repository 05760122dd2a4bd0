"""The demo on real data: a model trained in winter predicts late flights until December.

``data`` reads the flights, ``train`` fits the model and builds its baseline, ``service`` is the instrumented
web service, ``runner`` replays every fifth flight in event time and prints the findings, and ``steps`` shows
the progress.
"""

from __future__ import annotations


def run(once: bool = False, forward: str | None = None, port: int | None = None) -> int:
    """Run the demo (see :func:`runner.run`). Imported lazily, because the service process needs none of it."""
    from driftline_processor.terminal.console import terminal

    from .steps import Steps

    console = terminal()
    console.print(
        "[bold]Late flights.[/] A model is trained on two winter months to predict late flights. Then it predicts "
        "the rest of the year."
    )
    with Steps(console) as steps:
        steps.begin("Loading pandas and scikit-learn")
        from .runner import run as run_demo

    return run_demo(console, once, forward, port)
