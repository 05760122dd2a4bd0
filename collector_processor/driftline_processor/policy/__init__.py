"""Policies at run time: open alerts, their notifications, and the recipients.

The state evaluates the policies after each evaluation of windows (:mod:`.watch`). Changed alerts and their
messages are one transaction (:mod:`.alerts`). Couriers send the messages, one thread per channel
(:mod:`.courier`), so that a failing channel does not delay the others.
"""
