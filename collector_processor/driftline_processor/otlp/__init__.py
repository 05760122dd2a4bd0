"""The OTLP protocol: answers, JSON form, envelope of a request. May import `receipts` and `core`."""
