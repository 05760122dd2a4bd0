"""A sensor that waits for a condition on a model."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from .conditions import Condition
from .hook import DriftlineError, DriftlineHook, UnknownModelError
from .triggers import VerdictTrigger
from .versions import AirflowException, BaseSensorOperator


class VerdictSensor(BaseSensorOperator):  # type: ignore[misc]
    """Waits until conditions on the verdict, the drift and the outcomes of a model all hold.

    If a processor does not answer, the sensor retries until its timeout. If the processor does not have the model, the
    task fails immediately, with the most similar name.

    Args:
        model: Name of the model.
        states: States of the verdict to wait for, such as "degraded" or ("healthy", "at_risk").
        drift_fraction: Minimum fraction of features with drift in the newest closed window.
        coverage: Minimum fraction of that window's predictions with a known outcome.
        outcomes: Minimum number of outcomes of that window.
        window: Length of that window, such as "1d". Default: the longest.
        wait_for_model: Also wait for a model that the processor does not have yet.
        driftline_conn_id: Id of the connection.
        deferrable: Wait in the triggerer, without a worker.
        **kwargs: Arguments of Airflow's sensors: ``poke_interval``, ``timeout``, ``soft_fail``.

    Raises:
        ValueError: A state is unknown, or there is no condition.
    """

    template_fields: Sequence[str] = ("model",)
    ui_color = "#e5eefc"

    def __init__(
        self,
        *,
        model: str,
        states: Collection[str] | str = (),
        drift_fraction: float | None = None,
        coverage: float | None = None,
        outcomes: int | None = None,
        window: str = "",
        wait_for_model: bool = False,
        driftline_conn_id: str = DriftlineHook.default_conn_name,
        deferrable: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model, self.driftline_conn_id = model, driftline_conn_id
        self.deferrable, self.wait_for_model = deferrable, wait_for_model
        self.condition = Condition.read(states, drift_fraction, coverage, outcomes, window).to_json()

    def execute(self, context: Mapping[str, Any]) -> Any:
        """Check once; if the condition does not hold and ``deferrable`` is set, wait in the triggerer."""
        if not self.deferrable:
            return super().execute(context)
        if not self.poke(context):
            self.defer(
                trigger=VerdictTrigger(
                    self.model, self.condition, self.driftline_conn_id, self.poke_interval, self.wait_for_model
                ),
                method_name="end_waiting",
                timeout=timedelta(seconds=self.timeout),
            )
        return None

    def poke(self, context: Mapping[str, Any]) -> bool:  # noqa: ARG002
        """Return whether the condition holds now."""
        condition = Condition(**{**self.condition, "states": tuple(self.condition["states"])})
        try:
            model_answer = DriftlineHook(self.driftline_conn_id).model(self.model)
        except UnknownModelError as error:
            if not self.wait_for_model:
                raise
            self.log.info("%s", error)
            return False
        except DriftlineError as error:
            self.log.warning("%s", error)
            return False
        is_met, sentence = condition.holds(model_answer)
        self.log.info("%s: %s", self.model, sentence)
        return is_met

    def end_waiting(self, context: Mapping[str, Any], event: Mapping[str, Any]) -> Mapping[str, Any] | None:  # noqa: ARG002
        """Return the verdict of the trigger's event; fail if the processor does not have the model."""
        if event["state"] != "held":
            raise AirflowException(event["message"])
        self.log.info("%s: %s", self.model, event["message"])
        verdict: Mapping[str, Any] | None = event["verdict"]
        return verdict
