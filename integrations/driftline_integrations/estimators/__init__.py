"""What estimators, boosters and sessions share. Imports instrumentation and the SDK; no framework."""
