"""Files in: rows and outcomes from Parquet, CSV, JSON, SQLite and MLflow, as Arrow and numpy columns. Imports core,
config.
"""
