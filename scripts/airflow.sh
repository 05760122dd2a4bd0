#!/bin/sh
# Install Airflow 3 and Airflow 2 into environments of their own, and run the tests that need them: sh scripts/airflow.sh [pytest's arguments]
set -u
cd "$(dirname "$0")/.." || exit 1

failed=0
for pinned in 3:3.1.8 2:2.11.2; do
    environment=.venv-airflow-${pinned%%:*}
    .venv/bin/python -m venv "$environment" || exit 1
    "$environment/bin/python" -m pip install --quiet --upgrade 'pip>=25.1'
    if ! "$environment/bin/python" -m pip install --quiet "apache-airflow==${pinned##*:}" --editable . >"$environment/install.log" 2>&1; then
        echo "NOT RUN: Airflow ${pinned##*:}: $(grep -m 1 ERROR "$environment/install.log")" >&2
        failed=1
    fi
done
.venv/bin/python -m pytest -m interop tests/interop/test_airflow.py "$@" && exit $failed
