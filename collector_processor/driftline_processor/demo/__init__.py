"""The demo on real data, and the examples of the scenarios.

Example 0 is the demo: a model trained in winter predicts late flights until December. ``data`` reads the flights,
``train`` fits the model and builds its baseline, ``service`` is the instrumented web service, and ``runner`` replays
every fifth flight in event time and prints the findings.

``examples`` runs the others, each a folder with its own ``play.py``, on a ``stage``. ``peers`` records what they send
to Slack, Jira and the like, ``processes`` starts and ends them, and ``steps`` shows the progress.
"""

from __future__ import annotations


def run(
    number: int = 0,
    once: bool = False,
    keep: bool = False,
    forward: str | None = None,
    port: int | None = None,
    engine: str | None = None,
) -> int:
    """Run the demo (:func:`runner.run`), or an example (:func:`examples.run_example`); return the exit code.

    Imported lazily, because the service process needs none of it.
    """
    from driftline_processor.terminal.console import terminal

    from .steps import Steps

    console = terminal()
    if number:
        from .examples import run_example

        return run_example(number, console, keep, port, engine)
    console.print(
        "[bold]Late flights.[/] A model is trained on two winter months to predict late flights. Then it predicts "
        "the rest of the year."
    )
    with Steps(console) as steps:
        steps.begin("Loading pandas and scikit-learn")
        from .runner import run as run_demo

    return run_demo(console, once, forward, port)
