"""Ways in, one type a file: OTLP over gRPC, OTLP and outcomes over HTTP, topics of Kafka.

Besides them, the queries of business series (`business_queries`).

May import `queries` and below.
"""
