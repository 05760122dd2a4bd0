"""Operators that fail, skip or branch depending on a verdict, on files, or on whether retraining pays off."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .conditions import STATES
from .hook import DriftlineHook
from .versions import AirflowException, AirflowFailException, AirflowSkipException, BaseBranchOperator, BaseOperator

CROSSED = 3
"""Exit code of ``driftline evaluate`` if a condition of ``--fail-on`` is true."""

ANSWERS = ("retrain", "wait", "inconclusive")


class VerdictOperator(BaseOperator):  # type: ignore[misc]
    """Gets the verdict of a model from a processor; fails or skips depending on its state, and returns it.

    Args:
        model: Name of the model.
        fail_on: States of the verdict that fail the task, without a retry.
        skip_on: States that skip it.
        driftline_conn_id: Id of the connection.
        **kwargs: Arguments of Airflow's operators.
    """

    template_fields: Sequence[str] = ("model",)
    ui_color = "#e5eefc"

    def __init__(
        self,
        *,
        model: str,
        fail_on: Collection[str] = ("degraded",),
        skip_on: Collection[str] = (),
        driftline_conn_id: str = DriftlineHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model, self.driftline_conn_id = model, driftline_conn_id
        self.fail_on, self.skip_on = _states(fail_on), _states(skip_on)

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any] | None:  # noqa: ARG002
        """Return the verdict."""
        verdict: dict[str, Any] | None = DriftlineHook(self.driftline_conn_id).model(self.model).get("verdict")
        state, sentence = ("unknown", "the model has not been evaluated yet")
        if verdict is not None:
            state, sentence = verdict["state"], verdict["sentence"]
        self.log.info("%s is %s: %s", self.model, state, sentence)
        if state in self.fail_on:
            raise AirflowFailException(f"{self.model} is {state}: {sentence}")
        if state in self.skip_on:
            raise AirflowSkipException(f"{self.model} is {state}: {sentence}")
        return verdict


class EvaluateOperator(BaseOperator):  # type: ignore[misc]
    """Runs ``driftline evaluate`` over files, and returns its verdict; fails or skips if a condition is true.

    Args:
        data: Files of rows.
        baseline: A built baseline, or rows to compare with.
        fail_on: Conditions such as ``drift.fraction > 0.3``.
        skip: Skip the task if a condition is true, instead of failing it.
        options: Further options of the command, such as ``["--outcomes", "outcomes.csv"]``.
        command: The command, from another environment if Airflow's does not have ``driftline[processor]``.
        **kwargs: Arguments of Airflow's operators.
    """

    template_fields: Sequence[str] = ("data", "baseline", "options")
    ui_color = "#e5eefc"

    def __init__(
        self,
        *,
        data: Sequence[str],
        baseline: str,
        fail_on: Sequence[str] = (),
        skip: bool = False,
        options: Sequence[str] = (),
        command: str = "driftline",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.data = [data] if isinstance(data, str) else list(data)
        self.baseline, self.options = baseline, list(options)
        self.fail_on, self.skip, self.command = list(fail_on), skip, command

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any] | None:  # noqa: ARG002
        """Run the command, and return the verdict on all rows."""
        conditions = [part for condition in self.fail_on for part in ("--fail-on", condition)]
        command = [
            self.command,
            "evaluate",
            *self.data,
            "--baseline",
            self.baseline,
            "--json",
            *conditions,
            *self.options,
        ]
        try:
            process = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            problem = f"{self.command} cannot be started: {error.strerror}; set the path with command="
            raise AirflowFailException(problem) from None
        for line in process.stderr.splitlines():
            self.log.info("%s", line)
        lines = process.stderr.strip().splitlines()
        if process.returncode not in (0, CROSSED):
            last = lines[-1] if lines else f"driftline evaluate exited with code {process.returncode}"
            raise AirflowException(last)
        if process.returncode == CROSSED:
            fired = "; ".join(line for line in lines if "--fail-on" in line)
            raise (AirflowSkipException if self.skip else AirflowFailException)(fired)
        verdict: dict[str, Any] | None = json.loads(process.stdout).get("verdict")
        return verdict


class RetrainBranchOperator(BaseBranchOperator):  # type: ignore[misc]
    """Continues with different tasks if retraining pays off, if it does not, or if the result is inconclusive.

    Args:
        model: Name of the model.
        retrain: Tasks to continue with if retraining pays off.
        wait: Tasks to continue with if it does not; () skips all downstream tasks.
        inconclusive: Tasks to continue with if the result is inconclusive.
        terms: Terms of the calculation: ``value``, ``cost``, ``currency``, ``horizon``, ``metric``.
        driftline_conn_id: Id of the connection.
        **kwargs: Arguments of Airflow's operators.
    """

    template_fields: Sequence[str] = ("model", "terms")
    ui_color = "#e5eefc"

    def __init__(
        self,
        *,
        model: str,
        retrain: Collection[str] | str,
        wait: Collection[str] | str = (),
        inconclusive: Collection[str] | str = (),
        terms: Mapping[str, object] | None = None,
        driftline_conn_id: str = DriftlineHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model, self.terms, self.driftline_conn_id = model, dict(terms or {}), driftline_conn_id
        self.tasks = dict(zip(ANSWERS, map(_listed, (retrain, wait, inconclusive)), strict=True))

    def choose_branch(self, context: Mapping[str, Any]) -> list[str]:  # noqa: ARG002
        """Return the tasks to continue with."""
        answer = DriftlineHook(self.driftline_conn_id).retraining(self.model, self.terms)
        for line in (answer["sentence"], *answer["reasons"]):
            self.log.info("%s", line)
        return self.tasks[answer["answer"]]


def _listed(names: Collection[str] | str) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _states(names: Collection[str] | str) -> tuple[str, ...]:
    state_names = _listed(names)
    if unknown := [state for state in state_names if state not in STATES]:
        raise ValueError(f"{unknown[0]!r} is not a state of a verdict; the states are {', '.join(STATES)}")
    return tuple(state_names)
