"""Drills: traffic with an injected fault, lived through by a shadow of a real configuration, and what is told of it.

``traffic`` holds rows, ``recorded`` reads them from files, ``synthetic`` draws them, ``faults`` breaks them,
``shadow`` lives them through, ``drill`` says what was found, and ``matrix`` writes many drills as a table.
"""
