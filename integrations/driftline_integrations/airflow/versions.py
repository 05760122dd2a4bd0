"""Names of Airflow that moved between versions: in its SDK since 3.0, in other modules in 2.10 and 2.11."""

from __future__ import annotations

from airflow.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from airflow.triggers.base import BaseTrigger, TriggerEvent

try:
    from airflow.providers.standard.operators.branch import BaseBranchOperator
    from airflow.sdk import BaseHook, BaseOperator, BaseSensorOperator
except ImportError:  # Airflow 2
    from airflow.hooks.base import BaseHook
    from airflow.models.baseoperator import BaseOperator
    from airflow.operators.branch import BaseBranchOperator
    from airflow.sensors.base import BaseSensorOperator

__all__ = [
    "AirflowException",
    "AirflowFailException",
    "AirflowSkipException",
    "BaseBranchOperator",
    "BaseHook",
    "BaseOperator",
    "BaseSensorOperator",
    "BaseTrigger",
    "TriggerEvent",
]
