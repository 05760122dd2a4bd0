"""The pytest plugin: loaded in every pytest of an environment that has Driftline, so it imports nothing but pytest."""
