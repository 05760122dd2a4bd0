"""An Evaluation as JSON and as OpenLineage events. Imports every result of core; nothing of core imports it but for
times.
"""
