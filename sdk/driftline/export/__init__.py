"""From columns to bytes to the receiver: pipeline, transport, lifecycle. Imports distributions and lower layers."""
