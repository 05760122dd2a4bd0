"""Rules for those who alert elsewhere: a configuration as files of Prometheus and Alertmanager.

Pure functions from a configuration to texts; what a language cannot say is listed with the reason. May import `config`,
`present` and `core`.
"""
