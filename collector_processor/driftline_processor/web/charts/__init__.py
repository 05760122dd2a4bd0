"""SVG charts of the pages: one function per drawing. May import present and core."""
