"""Shared code for estimators, boosters and sessions. Imports instrumentation and the SDK; no framework."""
