"""Rules for those who alert elsewhere: a configuration as files of Prometheus, Alertmanager, OpenSLO and others.

Pure functions from a configuration to texts; what a language cannot say is listed with the reason. May import `config`,
`present` and `core`.
"""
