"""Drills: traffic with an injected fault, processed by a shadow of a real configuration, and its notifications.

``traffic`` has the rows, ``request`` reads them from files, ``synthetic`` draws them, ``faults`` injects
faults, ``shadow`` processes them, ``drill`` determines the result, and ``texts`` writes results and tables.
"""
