"""`driftline export`: the command, and the places to which it writes."""
