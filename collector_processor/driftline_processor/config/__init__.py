"""The keys of driftline.yaml: schema, values, checks. Imports core and custom_metrics, but no store."""
