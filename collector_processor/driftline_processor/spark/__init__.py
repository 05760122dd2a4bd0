"""Many machines: Apache Spark folds rows into panes, and `driftline up` evaluates the panes.

    predictions ─► decode ─► fold ─► panes ─► POST /v1/panes
                     │                ▲
                     └─► rows ─► join ┘
    outcomes ─────────────────────┘

:mod:`.table` folds a table of a lake, :mod:`.stream` the topics of Kafka, one epoch per micro-batch. Functions that run
on executors are in :mod:`.messages`, :mod:`.outcome_sums`, :mod:`.pane_rows` and :mod:`.delivery`; they take and return
record batches of Arrow, and do not import pyspark.
"""
