"""The web pages and the HTTP API of a running processor. May import every package below it, but not `store`."""
