"""Whether retraining pays: its expected gain from the current drop in performance, compared with its cost.

:mod:`.past` measures the gain of earlier retrainings, :mod:`.decision` decides about the next one.
"""
