"""Charts as SVG for the pages: a drawing a function. Imports present, core."""
