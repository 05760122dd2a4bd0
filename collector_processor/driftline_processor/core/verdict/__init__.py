"""Verdicts: whether a model is healthy, since when, how certain this is, the cause, and what to do.

To be read in this order: a :mod:`.sign` of one window, its :mod:`.comparisons` with the baseline, the :mod:`.signs` of
a loss with :mod:`.levels` and :mod:`.rises`, the :mod:`.risks`, the :mod:`.reading`, :mod:`.runs` of one length, the
:mod:`.look` at all windows with its :mod:`.trailing_periods`, the table of rules in :mod:`.model`, a
:mod:`.degradation` with its :mod:`.begin`, the :mod:`.record` of verdicts as of the end of each window, and its
:mod:`.transitions`. :mod:`.window` words a reading with its :mod:`.cause`, its
:mod:`.roles`, what is :mod:`.undecided`, and its :mod:`.advice`. May import every other package of core.
"""
