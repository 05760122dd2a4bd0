"""What the product promises about its answers, simulated with its own code.

``make simulate`` runs the rows that are missing in ``evidence/*.json``; ``--table`` prints the tables as Markdown.
``python -m simulations.explanations`` plants faults and counts how often the explanation names them.
"""
