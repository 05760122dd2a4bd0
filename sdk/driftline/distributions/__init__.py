"""Batches to histograms, model by model. Imports batch and what is below."""
