"""Tests of the repository: units by room, contracts, whole processes, peers, and the house itself."""
