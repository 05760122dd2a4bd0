"""Windows of event time, panes and the steps before a window. Imports only tables of the SDK."""
