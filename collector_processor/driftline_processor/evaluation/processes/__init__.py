"""Processes that judge windows beside the processor, which alone reads and writes the store."""
