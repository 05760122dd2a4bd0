"""The pages and the HTTP API of a running processor. Imports receivers, exporters, present, core."""
