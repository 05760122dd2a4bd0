"""Store decoded requests in one transaction: new rows, panes, event time. May import `store` and below."""
