"""``/api/v1`` and ``/v1``: one resource a module, as JSON. May import what `web` may."""
