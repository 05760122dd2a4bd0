"""Retrain when the alert asks for it: snapshot, validate, retrain, canary, then promote or roll back.

The steps are in `retraining.py`, in the environment of the model, whose `python` and `driftline` are on the PATH.
"""

from datetime import datetime, timedelta
from pathlib import Path

from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.sensors.bash import BashSensor
from airflow.sdk import DAG, task

FOLDER = Path(__file__).resolve().parents[1]


def command(step: str) -> str:
    return f"cd '{FOLDER}' && python retraining.py {step} {{{{ dag_run.conf['since'] }}}}"


def step(name: str) -> BashOperator:
    return BashOperator(task_id=name, bash_command=command(name))


with DAG(
    "retrain_rain", start_date=datetime(2015, 1, 1), schedule=None, max_active_runs=1, is_paused_upon_creation=False
) as dag:
    compare = BashSensor(
        task_id="compare",
        bash_command=command("compare"),
        poke_interval=timedelta(seconds=5),  # for a replay; else an hour and mode="reschedule", which frees the worker
        timeout=timedelta(days=35),
    )

    @task.branch
    def decide() -> str:
        return (FOLDER / "decision.txt").read_text()

    (
        step("snapshot")
        >> step("validate")
        >> step("retrain")
        >> step("canary")
        >> compare
        >> decide()
        >> [step("promote"), step("roll_back")]
    )
