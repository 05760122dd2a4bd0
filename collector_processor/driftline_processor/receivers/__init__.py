"""Ways in: OTLP over gRPC and HTTP, and topics of Kafka. Imports ingest, servers, otlp and readers."""
