"""Ways in: OTLP over gRPC and HTTP, outcomes over HTTP, topics of Kafka. May import `queries` and below."""
