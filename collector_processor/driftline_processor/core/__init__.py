"""Pure functions over numpy tables: no I/O, no clock, no threads. May import the SDK, and no other room."""
