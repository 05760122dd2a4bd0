"""Two files: read rows, build a baseline or compare with one, show what drifted and whether the model is right."""
