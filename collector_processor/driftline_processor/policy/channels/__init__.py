"""The kinds of channels, which deliver messages to people and programs, one per module."""
