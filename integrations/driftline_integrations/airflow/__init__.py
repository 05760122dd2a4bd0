"""Airflow 2.10 and later: query a running processor from a DAG. One module per kind of component, as in providers."""
