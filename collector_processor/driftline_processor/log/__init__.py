"""The log of accepted requests: appended and synced, then read by the analysis and by each destination."""
