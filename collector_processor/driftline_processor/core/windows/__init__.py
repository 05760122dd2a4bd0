"""Windows of event time, panes, and the time steps before a window. May import no other package of core."""
