"""DAGs over a running processor, for the DAGs folder of a real Airflow; run as a program it prints what became of them.

Connections and files come from the environment: AIRFLOW_CONN_DRIFTLINE_DEFAULT, COMMAND, ROWS, BASELINE.
"""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime
from typing import Any

from airflow import DAG
from driftline_integrations.airflow.hook import DriftlineHook
from driftline_integrations.airflow.operators import EvaluateOperator, RetrainBranchOperator, VerdictOperator
from driftline_integrations.airflow.sensors import VerdictSensor
from driftline_integrations.airflow.triggers import VerdictTrigger

try:
    from airflow.providers.standard.operators.empty import EmptyOperator
except ImportError:
    from airflow.operators.empty import EmptyOperator

START = datetime(2026, 1, 1, tzinfo=UTC)
QUICK: dict[str, Any] = {"poke_interval": 0.2, "timeout": 20.0}
ONCE: dict[str, Any] = {"poke_interval": 0.2, "timeout": 0.5}


MODEL = "churn"

with DAG("retraining", start_date=START, schedule=None) as RETRAINING:
    labels = VerdictSensor(task_id="labels", model=MODEL, coverage=0.9, outcomes=500, window="1d", **QUICK)
    wrong = VerdictSensor(task_id="degraded", model=MODEL, states="degraded", deferrable=True, **QUICK)
    late = VerdictSensor(task_id="late", model=MODEL, outcomes=900, deferrable=True, poke_interval=0.2, timeout=120)
    verdict = VerdictOperator(task_id="verdict", model=MODEL, fail_on=())
    pays = RetrainBranchOperator(
        task_id="pays", model=MODEL, retrain="train", wait="calm", inconclusive="calm", terms={"value": 0.5}
    )
    labels >> wrong >> late >> verdict >> pays >> [EmptyOperator(task_id="train"), EmptyOperator(task_id="calm")]

with DAG("failing", start_date=START, schedule=None) as FAILING:
    asked: dict[str, Any] = {
        "data": [os.environ.get("ROWS", "")],
        "baseline": os.environ.get("BASELINE", ""),
        "command": os.environ.get("COMMAND", ""),
        "options": ["--task", "binary", "--id", "id", "--score", "score", "--actual", "actual"],
    }
    VerdictOperator(task_id="fails", model=MODEL, fail_on=["degraded"])
    VerdictOperator(task_id="skips", model=MODEL, fail_on=(), skip_on=["degraded"])
    VerdictSensor(task_id="never", model=MODEL, states="no_data", soft_fail=True, **ONCE)
    VerdictSensor(task_id="misnamed", model=f"{MODEL}x", states="degraded", **QUICK)
    VerdictSensor(task_id="dead", model=MODEL, states="degraded", driftline_conn_id="dead", soft_fail=True, **ONCE)
    EvaluateOperator(task_id="evaluated", **asked)
    EvaluateOperator(task_id="crossed", fail_on=["verdict.state == degraded"], **asked)
    EvaluateOperator(task_id="crossed_skips", fail_on=["verdict.state == degraded"], skip=True, **asked)
    EvaluateOperator(task_id="no_command", **{**asked, "command": "/nowhere/driftline"})


def states_of(dag: DAG) -> dict[str, str]:
    """Run a DAG in this process, and return the state of each task."""
    run = dag.test()
    return {one.task_id: str(one.state) for one in run.get_task_instances()}


async def fired(trigger: VerdictTrigger, seconds: float = 20.0) -> Any:
    """Return what a trigger fires, as the triggerer runs it: made again from what it serializes."""
    _, arguments = trigger.serialize()
    async with asyncio.timeout(seconds):
        async for event in type(trigger)(**json.loads(json.dumps(arguments))).run():
            return event.payload
    return None


async def triggers(model: str) -> dict[str, Any]:
    """Return what three triggers fire: of what holds, of a model that is not there, and of a dead processor."""
    holds = {"states": ["degraded"], "drift_fraction": None, "coverage": None, "outcomes": 1, "window": ""}
    found = {
        "held": await fired(VerdictTrigger(model, holds, poke_interval=0.2)),
        "misnamed": await fired(VerdictTrigger(f"{model}x", holds, poke_interval=0.2)),
    }
    try:
        await fired(VerdictTrigger(model, holds, "dead", poke_interval=0.2), 1.0)
    except TimeoutError:
        found["dead"] = "still waits"
    return found


if __name__ == "__main__":
    import airflow

    found = {
        "version": airflow.__version__,
        "connection": DriftlineHook().test_connection(),
        "triggers": asyncio.run(triggers(MODEL)),
        "retraining": states_of(RETRAINING),
        "failing": states_of(FAILING),
    }
    print(f"\nFOUND {json.dumps(found)}")
