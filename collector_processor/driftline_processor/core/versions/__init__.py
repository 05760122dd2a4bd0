"""Version comparison: whether a challenger is worse or better than the champion, valid at any time.

May import `performance` and below.
"""
