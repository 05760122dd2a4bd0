"""Retrain if it pays: the checkpoint, then the order for the pool, then the new version serves.

The steps are in `retraining.py`, in the environment of the model, whose `python` and `driftline` are on the PATH.
"""

from datetime import datetime, timedelta
from pathlib import Path

from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.sensors.bash import BashSensor
from airflow.sdk import DAG

FOLDER = Path(__file__).resolve().parents[1]
WAIT, INCONCLUSIVE = 10, 11


def command(step: str) -> str:
    return (
        f"cd '{FOLDER}' && python retraining.py {step} {{{{ dag_run.conf['since'] }}}} {{{{ dag_run.run_after | ds }}}}"
    )


with DAG("retrain_if_it_pays", start_date=datetime(2026, 1, 1), schedule=None, max_active_runs=1) as dag:
    (
        BashOperator(task_id="check", bash_command=command("check"), skip_on_exit_code=[WAIT, INCONCLUSIVE])
        >> BashOperator(task_id="order", bash_command=command("order"))
        >> BashSensor(task_id="wait", bash_command=command("wait"), timeout=timedelta(days=7), mode="reschedule")
        >> BashOperator(task_id="deploy", bash_command=command("deploy"))
    )
