"""The kinds of channel: how a message reaches people and programs, one a module."""
