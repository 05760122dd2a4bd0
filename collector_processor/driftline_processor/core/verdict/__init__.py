"""Verdicts: whether a model is healthy, since when, how certain this is, the cause, and what to do.

To be read in this order: the :mod:`.signs` of one window, its :mod:`.reading`, :mod:`.runs` of one length, the
:mod:`.look` at all windows with its :mod:`.trailing_periods`, the table of rules in :mod:`.model`, a
:mod:`.degradation` with its :mod:`.begin`, the :mod:`.record` of verdicts as of the end of each window, and its
:mod:`.transitions`. :mod:`.window` words a reading with its :mod:`.cause`, its
:mod:`.roles`, what is :mod:`.undecided`, and its :mod:`.advice`. May import every other package of core.
"""
