"""Pure functions over numpy tables: no I/O, no clock, no threads, no configuration files."""
