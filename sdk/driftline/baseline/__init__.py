"""Baselines: build, load, protect. Loaded only by a model that has one. Imports outputs, privacy and what is below."""
