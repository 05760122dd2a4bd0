"""The conformance suite of OTLP receivers: any endpoint is checked, sentence by sentence of the specification.

``requirements`` has the sentences, ``checks`` their checks, ``messages`` what is sent, ``endpoint`` sends it, and
``report`` runs the suite. May import `present`.
"""
