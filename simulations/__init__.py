"""What is promised of the product's answers, simulated through its own code.

``make simulate`` runs every row of every table, prints what each row tries, and writes the tables of ``docs/data``.
``python -m simulations.explanations`` plants faults and asks what the explanation says of them.
"""
