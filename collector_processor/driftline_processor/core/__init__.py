"""Pure functions over numpy tables: no I/O, no clock, no threads. Imports the SDK and nothing else of the processor."""
