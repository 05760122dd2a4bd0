"""Results of ``predict``: scores, classes, rankings, and their snapshots. Imports inputs and tables."""
