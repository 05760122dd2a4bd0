"""Estimators, boosters and sessions: their shared parts. Imports instrumentation and the SDK; no framework."""
