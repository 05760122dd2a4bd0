"""Baselines: build, load, protect. Loaded only by models with a baseline. Imports outputs, privacy and lower layers."""
