"""From batches to histograms, per model. Imports batch and lower layers."""
