"""Airflow 2.10 and later: ask a running processor from a DAG. A module for each kind of part, as providers have."""
