"""Columns to bytes to the receiver: pipeline, transport, lifecycle. Imports distributions and what is below."""
