"""Driftline with real peers, which `make interop` installs into .peers/; a peer that is not there skips its tests."""
