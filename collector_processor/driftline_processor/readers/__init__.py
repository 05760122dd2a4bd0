"""Read rows and outcomes from Parquet, CSV, JSON, SQLite and MLflow as Arrow and numpy columns.

May import `config` and below, not `store`.
"""
