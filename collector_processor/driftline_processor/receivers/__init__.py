"""Receivers, one type per file: OTLP over gRPC, OTLP and outcomes over HTTP, topics of Kafka.

May import `queries` and below.
"""
