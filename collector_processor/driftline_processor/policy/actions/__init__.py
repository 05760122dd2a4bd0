"""The types of action: what is done about an alert, one a module, by the name that ``driftline.yaml`` calls it."""
