"""Concept drift: a change of the relation between features and outcome, detected on the stream of losses.

It requires outcomes: a detector processes one loss per first outcome, in the order of arrival. May import `evaluation`
and the packages below it.
"""
