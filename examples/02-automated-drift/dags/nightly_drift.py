"""Every night: fetch the viewers of the day before, and fail if the PSI of a key feature is above its limit.

Tasks that need stable tastes, such as a new index of films, come after `drift`. The DAG makes no ticket: the policy in
driftline.yaml makes one for the whole shift, and this DAG fails every night of it.

Variables of Airflow: `driftline`, the URL of the processor, and `films`, the folder of the stored reference.
"""

from datetime import datetime

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG
from driftline_integrations.airflow.operators import EvaluateOperator

with DAG("nightly_drift", start_date=datetime(2026, 1, 1), schedule="0 3 * * *", catchup=False) as dag:
    rows = BashOperator(
        task_id="rows",
        bash_command="driftline snapshot --url {{ var.value.driftline }} --model films "
        "--since {{ macros.ds_add(ds, -1) }} --until {{ ds }} -o {{ var.value.films }}/{{ ds }}.parquet",
    )
    drift = EvaluateOperator(
        task_id="drift",
        data=["{{ var.value.films }}/{{ ds }}.parquet"],
        baseline="{{ var.value.films }}/films.baseline.json",
        fail_on=["any feature.psi > 0.2"],
    )
    rows >> drift
