"""The trigger of a deferred sensor: it checks from the triggerer, without a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
from asgiref.sync import sync_to_async

from .conditions import Condition
from .hook import DriftlineError, DriftlineHook, UnknownModelError, fetch_model
from .versions import BaseTrigger, TriggerEvent


class VerdictTrigger(BaseTrigger):  # type: ignore[misc]
    """Fires when a condition on a model holds, or when the processor does not have the model.

    If a processor does not answer, the trigger retries until the sensor's timeout.

    Args:
        model: Name of the model.
        condition: The condition, as :meth:`.conditions.Condition.to_json` returns it.
        driftline_conn_id: Id of the connection.
        poke_interval: Seconds between two checks.
        wait_for_model: Whether to also wait for a model that the processor does not have yet.
    """

    def __init__(
        self,
        model: str,
        condition: dict[str, Any],
        driftline_conn_id: str = DriftlineHook.default_conn_name,
        poke_interval: float = 60.0,
        wait_for_model: bool = False,
    ) -> None:
        super().__init__()
        self.model, self.condition, self.driftline_conn_id = model, condition, driftline_conn_id
        self.poke_interval, self.wait_for_model = poke_interval, wait_for_model

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and the arguments from which the triggerer recreates the trigger."""
        names = ("model", "condition", "driftline_conn_id", "poke_interval", "wait_for_model")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Check until the condition holds."""
        condition = Condition(**{**self.condition, "states": tuple(self.condition["states"])})
        address, headers = await sync_to_async(DriftlineHook(self.driftline_conn_id).address)()
        async with httpx.AsyncClient() as client:
            while True:
                try:
                    model_answer = await fetch_model(client, address, headers, self.model)
                except UnknownModelError as error:
                    if not self.wait_for_model:
                        yield TriggerEvent({"state": "unknown_model", "message": str(error)})
                        return
                    self.log.info("%s", error)
                except DriftlineError as error:
                    self.log.warning("%s; trying again in %g seconds", error, self.poke_interval)
                else:
                    is_met, sentence = condition.holds(model_answer)
                    self.log.info("%s: %s", self.model, sentence)
                    if is_met:
                        verdict = model_answer.get("verdict")
                        yield TriggerEvent({"state": "held", "message": sentence, "verdict": verdict})
                        return
                await asyncio.sleep(self.poke_interval)
