"""Many machines: Apache Spark folds rows into panes, and `driftline up` evaluates the panes.

    predictions ─► decode ─► fold ─► panes ─► POST /v1/panes
                     │                ▲
                     └─► rows ─► join ┘
    outcomes ─────────────────────┘

:mod:`.table` folds a table of a lake, :mod:`.stream` the topics of Kafka or a growing table, one epoch per micro-batch.
Functions that run on executors are in :mod:`.messages`, :mod:`.labels`, :mod:`.pane_rows` and :mod:`.delivery`, and
take and return record batches of Arrow; they do not import pyspark.
"""
