"""Alert rules of a configuration as files of Prometheus and Alertmanager.

Pure functions from a configuration to texts; whatever cannot be expressed is listed with the reason. May import
`config`, `present` and `core`.
"""
