"""Whole processes: services, servers and workers that are started, stopped, killed and attacked."""
