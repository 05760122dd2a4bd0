"""Hold what metrics of one kind share: of the confusion matrix, losses, lists, the order of scores, costs.

Imports the rooms that `core/metrics` may import.
"""
