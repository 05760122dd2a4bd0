"""Integrations, one file per framework. Each imports the framework and the SDK, and nothing else.

``model.instrument(app_or_estimator)`` finds the file by the package of the object's type; ``opentelemetry-instrument``
finds the instrumentors by their entry points. Nothing here is imported before.
"""
