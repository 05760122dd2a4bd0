"""Judge windows, live and of files, and versions side by side. May import `join`, `readers` and below."""
