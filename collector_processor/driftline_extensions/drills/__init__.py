"""Drills: traffic with an injected fault, processed by a shadow of a real configuration, and its notifications.

``request`` chooses the rows, ``synthetic`` draws them, ``faults`` injects faults, ``drill`` determines the result, and
``texts`` writes results and tables. :mod:`driftline_processor.replay` has the traffic and the shadow.
"""
