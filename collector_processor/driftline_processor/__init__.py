"""The Driftline processor: receives OTLP, forwards it untouched, and says whether the model is still healthy."""
