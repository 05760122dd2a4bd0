"""The pages and the HTTP API of a running processor. May import every room below, never `store`."""
