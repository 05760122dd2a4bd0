"""Windows of event time, panes and the steps before a window. May import no room of core."""
