"""The keys of driftline.yaml: schema, values, checks. Imports core and custom_metrics; knows no store."""
