"""One machine: receivers, state, forwarders, what is derived, and the life of the service."""
