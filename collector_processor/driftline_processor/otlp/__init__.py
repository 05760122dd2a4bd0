"""The OTLP protocol itself: answers, JSON form, envelope of a request. Imports core and receipts only."""
