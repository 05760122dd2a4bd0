"""Policies at work: which alerts are open, what is told of them, and to whom.

The keeper of the state looks at the policies after each judging (:mod:`.watch`). What has changed, and the messages
that follow, are one transaction (:mod:`.alerts`). Couriers take the messages from there, one thread a channel
(:mod:`.courier`), so that a channel that is dead delays no other.
"""
