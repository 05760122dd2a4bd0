"""The hot path: from a call to an entry in the buffer and its span. Imports outputs, privacy and lower layers."""
