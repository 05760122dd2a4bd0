"""The types of actions, one per module, named as in ``driftline.yaml``."""
