"""Faults that are planted in streams of panes, and whether the explanation finds them."""
