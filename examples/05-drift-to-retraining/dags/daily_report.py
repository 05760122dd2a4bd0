"""Every morning: the data drift and the prediction drift of the day before, by email."""

from datetime import datetime
from pathlib import Path

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

FOLDER = Path(__file__).resolve().parents[1]

with DAG("daily_report", start_date=datetime(2015, 1, 1), schedule="0 6 * * *", catchup=False) as dag:
    BashOperator(
        task_id="report",
        bash_command=f"cd '{FOLDER}' && python report.py {{{{ macros.ds_add(ds, -1) }}}}",
    )
