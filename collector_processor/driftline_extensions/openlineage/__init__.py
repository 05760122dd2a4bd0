"""OpenLineage: windows as run events, for files and for the API."""
