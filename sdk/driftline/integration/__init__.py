"""Tools for authors of integrations: recorder, web requests. Imports decorate, export and capture; not model."""
