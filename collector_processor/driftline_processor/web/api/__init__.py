"""The JSON API under ``/api/v1`` and ``/v1``: one module per resource. May import what `web` may import."""
